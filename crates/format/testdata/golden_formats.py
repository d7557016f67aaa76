#!/usr/bin/env python3
"""Writes the golden files of the formats and codecs that golden.py does not know, from docs/formats.md and with other
people's libraries: pip install xxhash zstandard msgpack cramjam lz4 fastavro; lzop must be installed.

They are never made again for a released version: what is here stands in stores.
"""
import base64, bz2, io, json, struct, subprocess, zlib
import cramjam, fastavro, lz4.block, lz4.frame
from golden import HERE, PARTITION, RECORDS, SYNC, digests, gz, lines, long_key, messagepack_key, sequence

TEXT = b"".join(lines)
# cut within a record
HALVES = TEXT[:3], TEXT[3:]


def snappy(data):
    return bytes(cramjam.snappy.compress_raw(data))


def lz4_block(data):
    return lz4.block.compress(data, store_size=False)


def hadoop(compress, data, piece=1000):
    """One block of several pieces, as Hadoop's compressors leave them."""
    pieces = [compress(data[i:i + piece]) for i in range(0, len(data), piece)]
    return struct.pack(">I", len(data)) + b"".join(struct.pack(">I", len(p)) + p for p in pieces)


def in_halves(compress):
    return b"".join(map(compress, HALVES))


def lzop(data):
    return subprocess.run(["lzop", "-c", "-n"], input=data, stdout=subprocess.PIPE, check=True).stdout


# --- values that are JSON

JSON_RECORDS = [
    (200, -1, b"a", b'{"id":1,"text":"plain","ok":true,"x":{"y":"deep"}}', []),
    (201, 0, None, b'{\n "id": 2,\r\n "text": "a,b \\"q\\"\\nline\\ttab"}', [("h", b"\x00\xff")]),
    (202, 951782400000, b"", None, []),
    (203, None, b"\xff", '{"id":"3","text":"grüße","ok":null,"x":{"y":null}}'.encode(), [("h", None), ("h", b"1")]),
    (300, 1, b"k", b'{"id":-1.50,"text":"","ok":false,"x":{"y":"NULL"}}', []),
]


def one_line(value):
    return None if value is None else value.replace(b"\n", b" ").replace(b"\r", b" ")


JSON_LINES = b"".join((one_line(r[3]) or b"null") + b"\n" for r in JSON_RECORDS)


def csv_rows(separator, null):
    def column(value):
        if value is None:
            return null
        text = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else str(value)
        if text == null or any(c in text for c in separator + '"\r\n'):
            return '"' + text.replace('"', '""') + '"'
        return text

    rows = []
    for record in JSON_RECORDS:
        value = json.loads(record[3], parse_float=str, parse_int=str) if record[3] is not None else {}
        columns = value.get("id"), value.get("text"), value.get("ok"), value.get("x", {}).get("y")
        rows.append(separator.join(map(column, columns)).encode())
    return rows


# --- envelopes

def field(name, data, how):
    if data is None:
        return {name: None}
    if how == "base64":
        return {name: base64.b64encode(data).decode()}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {name + "_base64": base64.b64encode(data).decode()}


def envelope(record, how="string", nested=False):
    offset, timestamp, key, value, headers = record
    line = {"offset": offset, "partition": PARTITION, "timestamp": timestamp, **field("key", key, how)}
    name = lambda n: field("name", n.encode() if isinstance(n, str) else n, "string")
    line["headers"] = [{**name(n), **field("value", v, how)} for n, v in headers]
    if nested:
        text = json.dumps(line, separators=(",", ":"), ensure_ascii=False)[:-1].encode()
        return text + b',"value":' + (one_line(value) or b"null") + b"}\n"
    line.update(field("value", value, how))
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


# --- Avro

def optional(kind):
    return ["null", kind]


HEADER = {"type": "record", "name": "header", "fields": [
    {"name": "name", "type": "string"}, {"name": "value", "type": optional("bytes")},
    {"name": "name_bytes", "type": optional("bytes"), "default": None}]}
SCHEMA = {"type": "record", "name": "message", "fields": [
    {"name": "offset", "type": "long"}, {"name": "timestamp", "type": optional("long")},
    {"name": "key", "type": optional("bytes")}, {"name": "value", "type": optional("bytes")},
    {"name": "headers", "type": {"type": "array", "items": HEADER}}]}


def avro_message(record):
    offset, timestamp, key, value, headers = record
    fields = []
    for name, data in headers:
        try:
            fields.append({"name": name.decode(), "value": data, "name_bytes": None})
        except UnicodeDecodeError:
            fields.append({"name": "", "value": data, "name_bytes": name})
    return {"offset": offset, "timestamp": timestamp, "key": key, "value": value, "headers": fields}


def avro_long(n):
    n = n << 1 if n >= 0 else ~(n << 1)
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def avro_bytes(data):
    return avro_long(len(data)) + data


def avro_by_hand():
    """The very bytes: what a library writes around its blocks is its own choice."""
    some = lambda encode, x: avro_long(0) if x is None else avro_long(1) + encode(x)
    block = b""
    for message in map(avro_message, RECORDS):
        block += avro_long(message["offset"]) + some(avro_long, message["timestamp"])
        block += some(avro_bytes, message["key"]) + some(avro_bytes, message["value"])
        headers = message["headers"]
        block += avro_long(len(headers)) if headers else b""
        for header in headers:
            block += avro_bytes(header["name"].encode()) + some(avro_bytes, header["value"])
            block += some(avro_bytes, header["name_bytes"])
        block += avro_long(0)
    schema = json.dumps(SCHEMA, separators=(",", ":")).encode()
    head = b"Obj\x01" + avro_long(2) + avro_bytes(b"avro.schema") + avro_bytes(schema)
    head += avro_bytes(b"avro.codec") + avro_bytes(b"null") + avro_long(0) + SYNC
    file = head + avro_long(len(RECORDS)) + avro_bytes(block) + SYNC
    assert list(fastavro.reader(io.BytesIO(file))) == list(map(avro_message, RECORDS))
    return file


def avro_by_library(codec):
    out = io.BytesIO()
    messages = list(map(avro_message, RECORDS))
    # small blocks, so that there are several
    fastavro.writer(out, SCHEMA, messages, codec=codec, sync_interval=1000, sync_marker=SYNC)
    return out.getvalue()


FILES = {
    "text.snappy": in_halves(lambda data: hadoop(snappy, data)),
    "text.sz": in_halves(lambda data: bytes(cramjam.snappy.compress(data))),
    "text.lz4": in_halves(lambda data: lz4.frame.compress(data, block_linked=False, content_checksum=True)),
    "text.hadoop.lz4": in_halves(lambda data: hadoop(lz4_block, data)),
    "text.bz2": in_halves(bz2.compress),
    "text.deflate": zlib.compress(TEXT),
    "text.lzo": lzop(TEXT),
    "values.json": JSON_LINES,
    "values.csv": b"\n".join([b"id,text,ok,x.y", *csv_rows(",", "")]) + b"\n",
    "values.tsv": b"\n".join(csv_rows("\t", "NULL")) + b"\n",
    "envelope.json": b"".join(map(envelope, RECORDS)),
    "envelope_base64.json": b"".join(envelope(r, "base64") for r in RECORDS),
    "envelope_nested.json": b"".join(envelope(r, nested=True) for r in JSON_RECORDS),
    "envelope.avro": avro_by_hand(),
    **{f"envelope_{codec}.avro": avro_by_library(codec) for codec in ("deflate", "snappy", "zstandard", "bzip2")},
    "sequence_block.snappy": sequence(messagepack_key, "BytesWritable", "SnappyCodec", True, lambda d: hadoop(snappy, d)),
    "sequence_record.lz4": sequence(long_key, "LongWritable", "Lz4Codec", False, lambda d: hadoop(lz4_block, d)),
    "sequence_block.bz2": sequence(long_key, "LongWritable", "BZip2Codec", True, bz2.compress),
    "sequence_record.deflate": sequence(long_key, "LongWritable", "DefaultCodec", False, zlib.compress),
    "digests_json.json": json.dumps({
        "records": digests([(*r[:4], [(n.encode(), v) for n, v in r[4]]) for r in JSON_RECORDS])["records"],
        "json_values": digests([(*r[:3], one_line(r[3]), []) for r in JSON_RECORDS])["values"],
        "csv_values": digests([(*r[:3], row, []) for r, row in zip(JSON_RECORDS, csv_rows(",", ""))])["values"],
        "tsv_values": digests([(*r[:3], row, []) for r, row in zip(JSON_RECORDS, csv_rows("\t", "NULL"))])["values"],
    }, indent=1).encode() + b"\n",
}
for name, content in FILES.items():
    (HERE / name).write_bytes(content)
