#!/usr/bin/env python3
"""Writes the messages beside it with foreign writers, and what Secor must find in them:

    pip install msgpack fastavro grpcio-tools thriftpy2

Each file is a list of cases: the `input` of an archive, a `value` in base64, and either the fields that are `found`
there, by path, or the word of the reason for which the value is `bad`. Cases are added, never changed.
"""
import base64, datetime, json, pathlib

HERE = pathlib.Path(__file__).parent
CASES = []


def case(input, value, found=None, bad=None):
    made = {"input": input, "value": base64.b64encode(value).decode()}
    made.update({"bad": bad} if bad else {"found": found or {}})
    CASES.append(made)


def write(name):
    text = "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in CASES) + "\n]\n"
    (HERE / f"{name}.json").write_text(text)
    CASES.clear()


def messagepack():
    import msgpack

    input = {"format": "msgpack"}
    time = datetime.datetime(2024, 2, 29, 12, 34, 56, 789000, tzinfo=datetime.timezone.utc)
    value = {
        "ts": 1700000000123, "text": "1700000000", "name": "grüße", "none": None, "yes": True, "half": 0.5,
        "neg": -7, "big": 2**64 - 1, "low": -(2**63), "raw": b"\xff\xfe", "ascii": b"abc", "list": [1, {"ts": 2}],
        "meta": {"ts": 1, 5: {"deep": "x"}, b"bin": 9}, 3: "three", -4: "minus four",
    }
    found = {
        "ts": "integer 1700000000123", "text": "text 1700000000", "name": "text grüße", "none": "null", "yes": "true",
        "half": "double 0.5", "neg": "integer -7", "big": f"integer {2**64 - 1}", "low": f"integer {-2**63}",
        "raw": "binary", "ascii": "text abc", "list": "container", "list.0": "missing", "meta": "container",
        "meta.ts": "integer 1", "meta.5.deep": "text x", "meta.bin": "integer 9", "3": "text three",
        "-4": "text minus four", "nothing": "missing", "ts.below": "missing",
    }
    case(input, msgpack.packb(value), found)
    case(input, msgpack.packb(value, use_bin_type=False), {**found, "raw": "binary", "ascii": "text abc"})
    case(input, msgpack.packb({"f": 1.5}, use_single_float=True), {"f": "single 1.5"})
    case(input, msgpack.packb({"t": time}, datetime=True), {"t": "time 2024-02-29T12:34:56.789Z"})
    case(input, msgpack.packb({"t": msgpack.Timestamp(1700000000, 0)}), {"t": "time 2023-11-14T22:13:20Z"})
    case(input, msgpack.packb({"t": msgpack.Timestamp(-1, 500000000)}), {"t": "time 1969-12-31T23:59:59.5Z"})
    case(input, msgpack.packb({"t": msgpack.ExtType(5, b"abcd")}), {"t": "container"})
    case(input, msgpack.packb({str(i): i for i in range(20)}), {"19": "integer 19", "20": "missing"})
    packed = msgpack.packb({"a": 1, "long": "x" * 300, "end": 1})
    case(input, packed, {"end": "integer 1", "a": "integer 1"})
    case(input, msgpack.packb({}), {"a": "missing"})
    for bad in [b"", msgpack.packb([1]), msgpack.packb("x"), packed[:-1], packed + b"\x00", b"\x81\xa1a\xc1", b"\x82\xa1a\x01"]:
        case(input, bad, bad="not_msgpack")
    write("msgpack")


if __name__ == "__main__":
    messagepack()
