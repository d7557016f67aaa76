#!/usr/bin/env python3
"""Writes the golden files beside it from docs/formats.md alone, without a line of Secor: pip install xxhash zstandard msgpack.

They are never made again for a released version: what is here stands in stores.
"""
import base64, gzip, io, json, pathlib, struct
import msgpack, xxhash, zstandard

TOPIC, PARTITION = b"clicks", 3
# offset, timestamp, key, value, headers
RECORDS = [
    (100, 1700000000000, b"k1", b"hello", [(b"trace", b"abc"), (b"empty", None), (b"\xff", b"")]),
    (101, None, None, b"", []),
    (105, -5, b"", None, []),
    (70000, 1700000000001, b"x" * 300, b"v" * 3000, []),
    (1 << 40, 1, b"\xff", "grüße".encode(), []),
]
HERE = pathlib.Path(__file__).parent


def h(data):
    return xxhash.xxh3_128(data).digest()


def header_block(headers):
    out = b""
    for name, value in headers:
        out += struct.pack("<I", len(name)) + name
        out += struct.pack("<I", 0xFFFFFFFF) if value is None else struct.pack("<I", len(value)) + value
    return out


def frame(offset, timestamp, key, value, headers):
    flags = (timestamp is not None) | (key is not None) << 1 | (value is not None) << 2 | bool(headers) << 3
    out = bytes([flags]) + struct.pack("<qq", offset, timestamp or 0)
    for part in (key, value, header_block(headers) or None):
        out += h(part) if part is not None else b""
    return out


def digests(records):
    return {
        "records": xxhash.xxh3_128(b"".join(frame(*r) for r in records)).hexdigest(),
        "values": xxhash.xxh3_128(b"".join(h(r[3] or b"") for r in records)).hexdigest(),
    }


def vint(n):
    if -112 <= n <= 127:
        return struct.pack("b", n)
    size = (n.bit_length() + 7) // 8
    return struct.pack("b", -112 - size) + n.to_bytes(size, "big")


def text(s):
    return vint(len(s)) + s.encode()


def bytes_writable(data):
    return struct.pack(">i", len(data)) + data


SYNC = xxhash.xxh3_128(TOPIC + b"\0" + struct.pack(">iq", PARTITION, RECORDS[0][0])).digest()
HADOOP = "org.apache.hadoop.io."


def sequence(key_of, key_class, codec=None, block=False, compress=None):
    out = io.BytesIO()
    out.write(b"SEQ\x06" + text(HADOOP + key_class) + text(HADOOP + "BytesWritable"))
    out.write(bytes([codec is not None, block]))
    out.write(text(HADOOP + "compress." + codec) if codec else b"")
    out.write(struct.pack(">i", 0) + SYNC)
    keys = [key_of(r) for r in RECORDS]
    values = [bytes_writable(r[3] or b"") for r in RECORDS]
    if block:
        out.write(struct.pack(">i", -1) + SYNC + vint(len(RECORDS)))
        for part in (b"".join(vint(len(k)) for k in keys), b"".join(keys), b"".join(vint(len(v)) for v in values), b"".join(values)):
            part = compress(part)
            out.write(vint(len(part)) + part)
        return out.getvalue()
    last_sync = 0
    for key, value in zip(keys, values):
        if out.tell() >= last_sync + 2000:
            out.write(struct.pack(">i", -1) + SYNC)
            last_sync = out.tell()
        value = compress(value) if compress else value
        out.write(struct.pack(">ii", len(key) + len(value), len(key)) + key + value)
    return out.getvalue()


def long_key(record):
    return struct.pack(">q", record[0])


def messagepack_key(record):
    fields = {1: record[0]}
    if record[1] is not None:
        fields[3] = record[1]
    if record[2]:
        fields[2] = record[2]
    return bytes_writable(msgpack.packb(fields, use_bin_type=True))


def dead_letter(record):
    b64 = lambda data: None if data is None else base64.b64encode(data).decode()
    headers = []
    for name, value in record[4]:
        try:
            headers.append({"name": name.decode(), "value": b64(value)})
        except UnicodeDecodeError:
            headers.append({"name_base64": b64(name), "value": b64(value)})
    line = {"reason": "not_json", "detail": "expected `{` at byte 0", "offset": record[0], "timestamp": record[1],
            "key": b64(record[2]), "headers": headers, "value": b64(record[3])}
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


gz = lambda data: gzip.compress(data, 6, mtime=0)
zst = zstandard.ZstdCompressor(level=3, write_checksum=True).compress
lines = [(r[3] or b"") + b"\n" for r in RECORDS]
letters = b"".join(map(dead_letter, RECORDS))
FILES = {
    "text.txt": b"".join(lines),
    # several members and frames, cut within a record
    "text.gz": gz(b"".join(lines)[:3]) + gz(b"".join(lines)[3:]),
    "text.zst": zst(b"".join(lines)[:3]) + zst(b"".join(lines)[3:]),
    "dead_letters.json": letters,
    "dead_letters.json.gz": gz(letters),
    "sequence_plain": sequence(long_key, "LongWritable"),
    "sequence_messagepack": sequence(messagepack_key, "BytesWritable"),
    "sequence_record.gz": sequence(long_key, "LongWritable", "GzipCodec", False, gz),
    "sequence_block.gz": sequence(long_key, "LongWritable", "GzipCodec", True, gz),
    "sequence_block.zst": sequence(messagepack_key, "BytesWritable", "ZStandardCodec", True, zst),
    "digests.json": json.dumps(digests(RECORDS), indent=1).encode() + b"\n",
}
if __name__ == "__main__":
    for name, content in FILES.items():
        (HERE / name).write_bytes(content)
