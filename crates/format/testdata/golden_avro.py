#!/usr/bin/env python3
"""Writes the golden files of Avro values, from docs/formats.md and with fastavro, which also resolves schemas here: pip
install xxhash fastavro.

They are never made again for a released version: what is here stands in stores.
"""
import base64, decimal, io, json, pathlib, struct
import fastavro, xxhash

HERE = pathlib.Path(__file__).parent
TOPIC, PARTITION = b"clicks", 3

PLACE = lambda number: {"type": "record", "name": "Place", "namespace": "geo", "fields": [
    {"name": "lat", "type": number}, {"name": "lon", "type": number}]}
AMOUNT = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}
AT = {"type": "long", "logicalType": "timestamp-millis"}

FIRST = {"type": "record", "name": "Event", "namespace": "acme", "fields": [
    {"name": "id", "type": "int"},
    {"name": "name", "type": "string"},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "amount", "type": AMOUNT},
    {"name": "at", "type": AT},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["OPEN", "CLOSE"]}},
    {"name": "place", "type": ["null", PLACE("float")]},
    {"name": "counts", "type": {"type": "map", "values": "int"}},
    {"name": "raw", "type": "bytes"}]}

# another order, a field more, two less, wider numbers, more symbols
SECOND = {"type": "record", "name": "Event", "namespace": "acme", "fields": [
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["CLOSE", "OPEN", "MOVE"]}},
    {"name": "id", "type": "long"},
    {"name": "label", "type": ["null", "string"]},
    {"name": "place", "type": ["null", PLACE("double")]},
    {"name": "at", "type": AT},
    {"name": "amount", "type": AMOUNT},
    {"name": "by", "type": {"type": "fixed", "name": "By", "size": 4}},
    {"name": "raw", "type": "string"}]}

# what both become
BOTH = {"type": "record", "name": "Event", "namespace": "acme", "fields": [
    {"name": "id", "type": "long"},
    {"name": "label", "type": ["null", "string"], "default": None, "aliases": ["name"]},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["OPEN", "CLOSE", "OTHER"], "default": "OTHER"}},
    {"name": "place", "type": ["null", PLACE("double")], "default": None},
    {"name": "at", "type": AT},
    {"name": "amount", "type": AMOUNT},
    {"name": "tags", "type": {"type": "array", "items": "string"}, "default": ["none", "grüße"]},
    {"name": "by", "type": {"type": "fixed", "name": "By", "size": 4}, "default": "\u0000\u00ff..",},
    {"name": "raw", "type": "bytes"},
    {"name": "counts", "type": {"type": "map", "values": "long"}, "default": {"a": -1, "b": 2}}]}

TIME = 951_868_799_999
AMOUNTS = [decimal.Decimal(text) for text in ("0.00", "-12.50", "99999999.99", "0.07")]


def first(i):
    return {"id": -i, "name": ["", "grüße", "日本 🎉", "x" * 300][i % 4], "tags": ["t"] * (i % 3),
            "amount": AMOUNTS[i % 4], "at": TIME + i, "kind": ["OPEN", "CLOSE"][i % 2],
            "place": None if i % 2 else {"lat": 52.5, "lon": -0.25}, "counts": {"a": i} if i % 2 else {}, "raw": b"b"}


def second(i):
    return {"kind": ["MOVE", "OPEN", "CLOSE"][i % 3], "id": i << 40, "label": [None, "grüße"][i % 2],
            "place": {"lat": 1e300, "lon": float(i)} if i % 2 else None, "at": -i, "amount": AMOUNTS[i % 4],
            "by": b"\x00\xff\n,", "raw": "grüße"}


SCHEMAS = {17: (FIRST, first), 21: (SECOND, second)}
# offset, schema, datum
RECORDS = []
for i in range(40):
    schema, make = SCHEMAS[(17, 21, 21, 17, 17)[i % 5]]
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), make(i))
    RECORDS.append((1000 + 7 * i, 17 if schema is FIRST else 21, out.getvalue()))


def h(data):
    return xxhash.xxh3_128(data).digest()


def avro_long(n):
    n = n << 1 if n >= 0 else ~(n << 1)
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def avro_bytes(data):
    return avro_long(len(data)) + data


def text(schema):
    return json.dumps(schema, separators=(",", ":"))


def resolved(id, datum):
    parse = fastavro.parse_schema
    message = fastavro.schemaless_reader(io.BytesIO(datum), parse(SCHEMAS[id][0]), parse(BOTH))
    if isinstance(message["by"], str):
        message["by"] = message["by"].encode("latin-1")
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parse(BOTH), message)
    return out.getvalue()


def sync(offset):
    return xxhash.xxh3_128(TOPIC + b"\0" + struct.pack(">iq", PARTITION, offset)).digest()


def container(schema, rows):
    """The very bytes of one block."""
    head = b"Obj\x01" + avro_long(2) + avro_bytes(b"avro.schema") + avro_bytes(text(schema).encode())
    head += avro_bytes(b"avro.codec") + avro_bytes(b"null") + avro_long(0) + sync(rows[0][0])
    file = head + avro_long(len(rows)) + avro_bytes(b"".join(row[1] for row in rows)) + sync(rows[0][0])
    assert len(list(fastavro.reader(io.BytesIO(file)))) == len(rows)
    return file


def values_digest(rows):
    return xxhash.xxh3_128(b"".join(h(row[1]) for row in rows)).hexdigest()


ROWS = {id: [(offset, datum) for offset, of, datum in RECORDS if of == id] for id in SCHEMAS}
MERGED = [(offset, resolved(id, datum)) for offset, id, datum in RECORDS]


def main():
    b64 = lambda data: base64.b64encode(data).decode()
    frame = lambda id, datum: b"\0" + struct.pack(">I", id) + datum
    for id, rows in ROWS.items():
        (HERE / f"values.s{id}.avro").write_bytes(container(SCHEMAS[id][0], rows))
    (HERE / "values.avro").write_bytes(container(BOTH, MERGED))
    out = io.BytesIO()
    messages = [fastavro.schemaless_reader(io.BytesIO(row), fastavro.parse_schema(BOTH)) for _, row in MERGED]
    fastavro.writer(out, BOTH, messages, codec="deflate", sync_interval=1000, sync_marker=sync(MERGED[0][0]))
    (HERE / "values_deflate.avro").write_bytes(out.getvalue())
    (HERE / "values_avro.json").write_text(json.dumps({
        "schemas": {str(id): text(schema) for id, (schema, _) in SCHEMAS.items()},
        "both": text(BOTH),
        "records": [[offset, b64(frame(id, datum))] for offset, id, datum in RECORDS],
        "digests": {**{str(id): values_digest(rows) for id, rows in ROWS.items()}, "both": values_digest(MERGED)},
    }, indent=1) + "\n")


if __name__ == "__main__":
    main()
