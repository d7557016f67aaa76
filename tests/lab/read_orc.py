#!/usr/bin/env python3
"""Reads ORC files with readers that we did not write, and compares.

    read_orc.py FOLDER

FOLDER holds for each NAME: NAME.orc; NAME.jsonl, its rows as lists of values; and NAME.json, which says what to try. A
line for each reader and file: name of the file, reader, `ok` or what was wrong, with tabs between them.

Values are compared in one form: integers, decimals and times in digits, times in nanoseconds, dates in days, floats by
their bits, bytes in hex, maps as lists of pairs, structs as lists. Spark counts in microseconds: there nanoseconds are
dropped on both sides.
"""

import datetime
import decimal
import json
import os
import struct
import sys

import pyarrow
import pyarrow.orc
import pyorc

from spark import start_spark

# equal, with other bits
ZEROS = {"0000000000000000", "8000000000000000"}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def main(folder):
    names = sorted(name[: -len(".orc")] for name in os.listdir(folder) if name.endswith(".orc"))
    spark = None
    for name in names:
        path = os.path.join(folder, name)
        with open(path + ".jsonl", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        with open(path + ".json", encoding="utf-8") as file:
            wanted = json.load(file)
        report(name, "pyarrow", lambda: same(read_pyarrow(path), rows))
        report(name, "pyorc", lambda: same(read_pyorc(path), rows))
        report(name, "pyorc, skipping", lambda: skipping_pyorc(path, rows, wanted))
        if wanted["spark"]:
            spark = spark or start_spark()
            report(name, "spark", lambda: same(read_spark(spark, path), rounded(rows, wanted["times"])))
            report(name, "spark, skipping", lambda: skipping_spark(spark, path, rows, wanted))


def report(name, reader, read):
    try:
        verdict = read() or "ok"
    except Exception as error:  # what a reader throws is its verdict
        verdict = f"{type(error).__name__}: {error}"
    print(name, reader, verdict.replace("\n", " ").replace("\t", " ")[:500], sep="\t", flush=True)


def same(seen, rows):
    if len(seen) != len(rows):
        return f"{len(seen)} rows instead of {len(rows)}"
    for number, (left, right) in enumerate(zip(seen, rows)):
        for column, (a, b) in enumerate(zip(left, right)):
            if a != b:
                return f"row {number}, column {column}: {str(a)[:200]} instead of {str(b)[:200]}"
    return None


def bits(value):
    return struct.pack(">d", value).hex()


# --- Arrow's reader, C++


def read_pyarrow(path):
    table = pyarrow.orc.read_table(path + ".orc")
    columns = [arrow_values(join(column)) for column in table.columns]
    return [list(row) for row in zip(*columns)] if columns else [[] for _ in range(table.num_rows)]


def join(column):
    return pyarrow.concat_arrays(column.chunks) if column.num_chunks else pyarrow.array([], column.type)


def arrow_values(array):
    kind, types = array.type, pyarrow.types
    if types.is_timestamp(kind):
        return arrow_values(array.view(pyarrow.int64()))
    if types.is_date32(kind):
        return arrow_values(array.view(pyarrow.int32()))
    if types.is_union(kind):
        children = [arrow_values(array.field(i)) for i in range(kind.num_fields)]
        tags = array.type_codes.to_pylist()
        places = array.offsets.to_pylist() if kind.mode == "dense" else range(len(tags))
        return [children[tag][place] for tag, place in zip(tags, places)]
    if types.is_struct(kind):
        rows = zip(*[arrow_values(array.field(i)) for i in range(kind.num_fields)])
        return [list(row) if valid else None for row, valid in zip(rows, array.is_valid().to_pylist())]
    if types.is_list(kind) or types.is_map(kind):
        if types.is_map(kind):
            items = [list(pair) for pair in zip(arrow_values(array.keys), arrow_values(array.items))]
        else:
            items = arrow_values(array.values)
        ends = array.offsets.to_pylist()
        valid = array.is_valid().to_pylist()
        return [items[ends[i] : ends[i + 1]] if valid[i] else None for i in range(len(array))]
    return [plain(value, getattr(kind, "scale", None)) for value in array.to_pylist()]


def plain(value, scale=None):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, float):
        return bits(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, decimal.Decimal):
        with decimal.localcontext(prec=60):
            return format(value.quantize(decimal.Decimal(1).scaleb(-(scale or 0))), "f")
    return str(value)


# --- ORC's own C++ reader


class Nanos:
    @staticmethod
    def from_orc(seconds, nanoseconds, zone):
        return seconds * 1_000_000_000 + nanoseconds

    @staticmethod
    def to_orc(value, zone):
        return divmod(value, 1_000_000_000)


class Days:
    @staticmethod
    def from_orc(days):
        return days

    @staticmethod
    def to_orc(days):
        return days


CONVERTERS = {
    pyorc.TypeKind.TIMESTAMP: Nanos,
    pyorc.TypeKind.TIMESTAMP_INSTANT: Nanos,
    pyorc.TypeKind.DATE: Days,
}


def read_pyorc(path, predicate=None):
    with open(path + ".orc", "rb") as file:
        reader = pyorc.Reader(file, struct_repr=pyorc.StructRepr.TUPLE, converters=CONVERTERS, predicate=predicate)
        return [orc_value(row, reader.schema) for row in reader]


def orc_value(value, kind):
    if value is None:
        return None
    name = kind.kind
    if name == pyorc.TypeKind.STRUCT:
        return [orc_value(child, kind[field]) for child, field in zip(value, kind.fields)]
    if name == pyorc.TypeKind.LIST:
        return [orc_value(child, kind.type) for child in value]
    if name == pyorc.TypeKind.MAP:
        return [[orc_value(k, kind.key), orc_value(v, kind.value)] for k, v in value.items()]
    return plain(value, getattr(kind, "scale", None))


def skipping_pyorc(path, rows, wanted):
    """A reader that skips gives row groups, all rows that were asked for among them, and each row whole."""
    by_number = {row[0]: row for row in rows}
    for low, high in wanted["ranges"]:
        column = pyorc.predicates.PredicateColumn(pyorc.TypeKind.LONG, "n")
        seen = read_pyorc(path, (column >= low) & (column < high))
        numbers = {int(row[0]) for row in seen}
        lost = {number for number in range(low, high) if number < len(rows)} - numbers
        if lost:
            return f"{low} to {high}: {len(lost)} rows were lost"
        if rows and len(rows) == len(seen) and low > len(rows):
            return f"{low} to {high}: nothing was skipped"
        for row in seen:
            if row != by_number[row[0]]:
                return f"{low} to {high}: row {row[0]} is another"
    return None


# --- ORC's Java reader, in Spark


def read_spark(spark, path):
    frame = spark.read.orc(path + ".orc")
    return [spark_value(list(row), frame.schema) for row in frame.collect()]


def spark_value(value, kind):
    if value is None:
        return None
    name = kind.typeName()
    if name == "struct":
        return [spark_value(child, field.dataType) for child, field in zip(value, kind.fields)]
    if name == "array":
        return [spark_value(child, kind.elementType) for child in value]
    if name == "map":
        return sorted([spark_value(k, kind.keyType), spark_value(v, kind.valueType)] for k, v in value.items())
    if name == "date":
        return str((value - EPOCH.date()).days)
    if name == "timestamp":
        since = value.replace(tzinfo=datetime.timezone.utc) - EPOCH
        return str((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)
    return plain(value, getattr(kind, "scale", None))


def rounded(rows, columns):
    def micros(row):
        return [
            str(int(value) // 1_000) if i in columns and value is not None else value for i, value in enumerate(row)
        ]

    return [micros(row) for row in rows]


def skipping_spark(spark, path, rows, wanted):
    frame = spark.read.orc(path + ".orc")
    for low, high in wanted["ranges"]:
        seen = frame.where(f"n >= {low} and n < {high}").collect()
        expected = rounded([row for row in rows if low <= int(row[0]) < high], wanted["times"])
        wrong = same([spark_value(list(row), frame.schema) for row in seen], expected)
        if wrong:
            return f"{low} to {high}: {wrong}"
    for column in wanted["equal"]:
        place = wanted["columns"].index(column)
        for value in sorted({row[place] for row in rows[::313] if row[place] is not None})[:2]:
            count = frame.where(f"{column} = {literal(value, frame.schema[column].dataType)}").count()
            equal = ZEROS if value in ZEROS else {value}
            expected = sum(row[place] in equal for row in rows)
            if count != expected:
                return f"{column} = {value}: {count} rows instead of {expected}"
    return None


def literal(value, kind):
    name = kind.typeName()
    if name == "string":
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if name == "date":
        return f"date_from_unix_date({value})"
    if name == "timestamp":
        return f"timestamp_micros({int(value) // 1_000})"
    if name in ("double", "float"):
        return f"cast('{struct.unpack('>d', bytes.fromhex(value))[0]!r}' as {name})"
    return f"cast('{value}' as {kind.simpleString()})"


main(sys.argv[1])
