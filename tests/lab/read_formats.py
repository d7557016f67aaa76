#!/usr/bin/env python3
"""Reads files with other people's readers and says of each whether it found what is expected.

    read_formats.py FOLDER

FOLDER/files.json is a list of {"file", "format", "codec", "framing", "expected"}. Printed is one line per file and
reader: FILE<TAB>READER<TAB>`ok` or what went wrong. `expected` is for lines (text, json, csv) the same content
uncompressed, for envelopes and rows a file of JSON lines.
"""

import base64
import bz2
import csv
import functools
import io
import json
import pathlib
import subprocess
import sys
import zlib

import avro.datafile
import avro.io
import duckdb
import fastavro
import pyarrow
import pyarrow.csv
import pyarrow.json
import pyarrow.orc
import pyarrow.parquet
import pyorc
import snappy

from spark import start_spark

PROGRAMS = {"gzip": ["gzip", "-dc"], "zstd": ["zstd", "-qdc"], "bzip2": ["bzip2", "-dc"], "lzo": ["lzop", "-dc"],
            "lz4 stream": ["lz4", "-dc"]}
ARROW = {"gzip": "gzip", "zstd": "zstd", "bzip2": "bz2", "lz4 stream": "lz4"}


def program(codec):
    return lambda path: subprocess.run(PROGRAMS[codec], stdin=open(path, "rb"), capture_output=True, check=True).stdout


def arrow_stream(codec):
    return lambda path: pyarrow.input_stream(str(path), compression=ARROW[codec]).read()


def python_snappy_stream(path):
    return snappy.StreamDecompressor().decompress(path.read_bytes())


def python_snappy_hadoop(path):
    return snappy.HadoopStreamDecompressor().decompress(path.read_bytes())


def duckdb_text(path):
    # one column: the separator is a byte that no file holds
    rows = duckdb.execute("SELECT line FROM read_csv(?, delim = '\\x01', quote = '', escape = '', header = false, "
                          "columns = {'line': 'VARCHAR'}, max_line_size = 4000000, auto_detect = false, "
                          "null_padding = true)", [str(path)]).fetchall()
    return b"".join((row[0] or "").encode() + b"\n" for row in rows)


def text_readers(codec):
    if codec in PROGRAMS:
        yield PROGRAMS[codec][0], program(codec)
    if codec in ARROW:
        yield "pyarrow", arrow_stream(codec)
    if codec == "none":
        yield "Python", lambda path: path.read_bytes()
    if codec in ("none", "gzip", "zstd"):
        yield "DuckDB", duckdb_text
    if codec == "deflate":
        yield "Python zlib", lambda path: zlib.decompress(path.read_bytes())
    if codec == "snappy stream":
        yield "python-snappy", python_snappy_stream
    if codec == "snappy hadoop":
        yield "python-snappy", python_snappy_hadoop


# --- rows of JSON values

def rows_of(expected):
    return [json.loads(line) for line in expected.read_text().splitlines()]


COLUMNS = "{'id': 'BIGINT', 'text': 'VARCHAR', 'time': 'VARCHAR', 'x': 'STRUCT(y VARCHAR, z BIGINT[])'}"


def by_columns(rows):
    """Objects with all columns, null where there is nothing."""
    def object_of(row):
        row = row or {}
        x = row.get("x")
        return {"id": row.get("id"), "text": row.get("text"), "time": row.get("time"),
                "x": x and {"y": x.get("y"), "z": x.get("z")}}
    return [object_of(row) for row in rows]


def duckdb_json(path):
    query = f"SELECT * FROM read_json(?, format = 'newline_delimited', columns = {COLUMNS}, maximum_object_size = 4000000)"
    result = duckdb.execute(query, [str(path)])
    names = [column[0] for column in result.description]
    return by_columns(dict(zip(names, row)) for row in result.fetchall())


def arrow_json(path):
    schema = pyarrow.schema([("id", pyarrow.int64()), ("text", pyarrow.string()), ("time", pyarrow.string()), (
        "x", pyarrow.struct([("y", pyarrow.string()), ("z", pyarrow.list_(pyarrow.int64()))]))])
    table = pyarrow.json.read_json(str(path), read_options=pyarrow.json.ReadOptions(block_size=8 << 20),
                                   parse_options=pyarrow.json.ParseOptions(explicit_schema=schema))
    return by_columns(table.to_pylist())


# --- CSV: each row a list of texts or nulls

def python_csv(path):
    # Python's reader can't tell a quoted empty text from null
    csv.field_size_limit(4_000_000)
    rows = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))[1:]
    return [[column or None for column in row] for row in rows]


def duckdb_csv(path):
    query = ("SELECT * FROM read_csv(?, header = true, all_varchar = true, allow_quoted_nulls = false, delim = ',', "
             "quote = '\"', escape = '\"', max_line_size = 4000000)")
    return [list(row) for row in duckdb.execute(query, [str(path)]).fetchall()]


def arrow_csv(path):
    names = ["id", "text", "time", "x.y"]
    table = pyarrow.csv.read_csv(
        str(path), read_options=pyarrow.csv.ReadOptions(block_size=8 << 20),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""],
            column_types={name: pyarrow.string() for name in names}))
    return [list(row.values()) for row in table.to_pylist()]


# --- envelopes, as offset, timestamp, key, value, headers in base64

def b64(data):
    return None if data is None else base64.b64encode(data).decode()


def envelope_field(row, name, how):
    if row.get(name + "_base64") is not None:
        return row[name + "_base64"]
    text = row.get(name)
    return text if text is None or how == "base64" else b64(text.encode())


def envelopes(rows, how):
    found = []
    for row in rows:
        headers = [[envelope_field(h, "name", "string"), envelope_field(h, "value", how)] for h in row["headers"] or []]
        found.append([row["offset"], row["timestamp"], envelope_field(row, "key", how),
                      envelope_field(row, "value", how), headers])
    return found


HEADER = "STRUCT(name VARCHAR, value VARCHAR, name_base64 VARCHAR, value_base64 VARCHAR)[]"


def duckdb_envelopes(how):
    def read(path):
        columns = ("{'offset': 'BIGINT', 'partition': 'INTEGER', 'timestamp': 'BIGINT', 'key': 'VARCHAR', 'value': "
                   f"'VARCHAR', 'key_base64': 'VARCHAR', 'value_base64': 'VARCHAR', 'headers': '{HEADER}'}}")
        result = duckdb.execute(f"SELECT * FROM read_json(?, format = 'newline_delimited', columns = {columns}, "
                                "maximum_object_size = 8000000)", [str(path)])
        names = [column[0] for column in result.description]
        return envelopes([dict(zip(names, row)) for row in result.fetchall()], how)
    return read


def arrow_envelopes(how):
    def read(path):
        options = pyarrow.json.ReadOptions(block_size=16 << 20)
        return envelopes(pyarrow.json.read_json(str(path), read_options=options).to_pylist(), how)
    return read


def avro_envelopes(messages):
    found = []
    for row in messages:
        headers = [[b64(h["name"].encode() if h["name_bytes"] is None else h["name_bytes"]), b64(h["value"])]
                   for h in row["headers"]]
        found.append([row["offset"], row["timestamp"], b64(row["key"]), b64(row["value"]), headers])
    return found


def fastavro_envelopes(path):
    with open(path, "rb") as file:
        return avro_envelopes(fastavro.reader(file))


def apache_avro_envelopes(path):
    with avro.datafile.DataFileReader(open(path, "rb"), avro.io.DatumReader()) as reader:
        return avro_envelopes(reader)


def fastavro_values(path):
    with open(path, "rb") as file:
        return list(fastavro.reader(file))


def apache_avro_values(path):
    with avro.datafile.DataFileReader(open(path, "rb"), avro.io.DatumReader()) as reader:
        return list(reader)


def arrow_parquet_envelopes(path):
    table = pyarrow.parquet.read_table(str(path))
    at = table.schema.get_field_index("timestamp")
    milliseconds = table["timestamp"].cast(pyarrow.int64())
    return avro_envelopes(table.set_column(at, "timestamp", milliseconds).to_pylist())


def duckdb_parquet_envelopes(path):
    result = duckdb.execute('SELECT "offset", epoch_ms(timestamp) AS timestamp, key, value, headers FROM read_parquet(?)',
                            [str(path)])
    names = [column[0] for column in result.description]
    return avro_envelopes(dict(zip(names, row)) for row in result.fetchall())


def arrow_orc_envelopes(path):
    return avro_envelopes(pyarrow.orc.read_table(str(path)).to_pylist())


def pyorc_envelopes(path):
    with open(path, "rb") as file:
        rows = list(pyorc.Reader(file, struct_repr=pyorc.StructRepr.DICT))
    return avro_envelopes(rows)


# --- columns of values, as texts and numbers that JSON has

NAMES = ["id", "text", "time", "x", "ok", "small", "real", "big", "amount", "day", "counts", "bytes"]


def columns(rows):
    found = []
    for row in rows:
        counts, row = row["counts"], dict(row)
        # maps are pairs in Arrow
        pairs = None if counts is None else sorted([list(pair) for pair in (counts.items() if isinstance(counts, dict) else counts)])
        row.update(amount=None if row["amount"] is None else str(row["amount"]), bytes=b64(row["bytes"]), counts=pairs,
                   day=None if row["day"] is None else row["day"].isoformat())
        found.append([row[name] for name in NAMES])
    return found


def arrow_parquet_columns(path):
    table = pyarrow.parquet.read_table(str(path))
    at = table.schema.get_field_index("time")
    return columns(table.set_column(at, "time", table["time"].cast(pyarrow.int64())).to_pylist())


def duckdb_parquet_columns(path):
    result = duckdb.execute("SELECT * REPLACE (epoch_us(time) AS time) FROM read_parquet(?)", [str(path)])
    names = [column[0] for column in result.description]
    return columns(dict(zip(names, row)) for row in result.fetchall())


def arrow_orc_columns(path):
    table = pyarrow.orc.read_table(str(path))
    at = table.schema.get_field_index("time")
    microseconds = table["time"].cast(pyarrow.timestamp("us")).cast(pyarrow.int64())
    return columns(table.set_column(at, "time", microseconds).to_pylist())


class Microseconds:
    @staticmethod
    def from_orc(seconds, nanoseconds, zone):
        return seconds * 1_000_000 + nanoseconds // 1_000

    @staticmethod
    def to_orc(value, zone):
        seconds, microseconds = divmod(value, 1_000_000)
        return seconds, 1_000 * microseconds


def pyorc_columns(path):
    converters = {pyorc.TypeKind.TIMESTAMP: Microseconds}
    with open(path, "rb") as file:
        return columns(pyorc.Reader(file, struct_repr=pyorc.StructRepr.DICT, converters=converters))


@functools.cache
def spark():
    session = start_spark()
    # files of other programs don't say by which calendar days before 1582 are counted
    session.conf.set("spark.sql.parquet.datetimeRebaseModeInRead", "CORRECTED")
    return session


def spark_envelopes(path):
    format = "orc" if path.suffix == ".orc" else "parquet"
    frame = spark().read.format(format).load(str(path))
    if format == "parquet":
        frame = frame.selectExpr("offset", "unix_millis(timestamp) AS timestamp", "key", "value", "headers")
    return avro_envelopes(row.asDict(recursive=True) for row in frame.collect())


def spark_columns(path):
    frame = spark().read.format("orc" if path.suffix == ".orc" else "parquet").load(str(path))
    names = [name if name != "time" else "unix_micros(time) AS time" for name in frame.columns]
    return columns(row.asDict(recursive=True) for row in frame.selectExpr(*names).collect())


def readers(item):
    """Name, reader, what it should find."""
    expected = pathlib.Path(item["expected"])
    format, codec = item["format"], item["codec"] + (f" {item['framing']}" if item["framing"] else "")
    if format == "text":
        content = expected.read_bytes()
        for name, read in text_readers(codec):
            yield name, read, content
    elif format == "json":
        for name, read in (("DuckDB", duckdb_json), ("pyarrow", arrow_json)):
            yield name, read, by_columns(rows_of(expected))
    elif format == "csv":
        rows = rows_of(expected)
        if codec == "none":
            yield "Python csv", python_csv, [[column or None for column in row] for row in rows]
        yield "DuckDB", duckdb_csv, rows
        yield "pyarrow", arrow_csv, rows
    elif format.startswith("envelope"):
        how = "base64" if format.endswith("base64") else "string"
        yield "DuckDB", duckdb_envelopes(how), rows_of(expected)
        yield "pyarrow", arrow_envelopes(how), rows_of(expected)
    elif format == "avro":
        yield "fastavro", fastavro_envelopes, rows_of(expected)
        yield "Apache avro (Python)", apache_avro_envelopes, rows_of(expected)
    elif format in ("avro_values", "avro_resolved", "avro_filled"):
        yield "fastavro", fastavro_values, rows_of(expected)
        yield "Apache avro (Python)", apache_avro_values, rows_of(expected)
    elif format == "parquet":
        yield "pyarrow", arrow_parquet_envelopes, rows_of(expected)
        yield "DuckDB", duckdb_parquet_envelopes, rows_of(expected)
        if codec != "brotli":  # its Java library is not among Spark's
            yield "Spark", spark_envelopes, rows_of(expected)
    elif format == "parquet_columns":
        yield "pyarrow", arrow_parquet_columns, rows_of(expected)
        yield "DuckDB", duckdb_parquet_columns, rows_of(expected)
        if codec != "brotli":
            yield "Spark", spark_columns, rows_of(expected)
    elif format == "orc":
        yield "pyarrow", arrow_orc_envelopes, rows_of(expected)
        yield "pyorc", pyorc_envelopes, rows_of(expected)
        yield "Spark", spark_envelopes, rows_of(expected)
    elif format == "orc_columns":
        yield "pyarrow", arrow_orc_columns, rows_of(expected)
        yield "pyorc", pyorc_columns, rows_of(expected)
        yield "Spark", spark_columns, rows_of(expected)


def difference(found, expected):
    if found == expected:
        return "ok"
    if isinstance(found, bytes):
        return f"{len(found)} bytes, expected {len(expected)}"
    if len(found) != len(expected):
        return f"{len(found)} records, expected {len(expected)}"
    at = next(i for i, (a, b) in enumerate(zip(found, expected)) if a != b)
    return f"record {at}: {str(found[at])[:200]}, expected {str(expected[at])[:200]}"


def main():
    folder = pathlib.Path(sys.argv[1])
    for item in json.loads((folder / "files.json").read_text()):
        path = folder / item["file"]
        for name, read, expected in readers(item):
            try:
                verdict = difference(read(path), expected)
            except Exception as error:  # whatever a reader throws is the finding
                verdict = f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
            print(f"{item['file']}\t{name}\t{verdict}", flush=True)


if __name__ == "__main__":
    main()
