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


AVRO = {
    "type": "record", "name": "Click", "namespace": "acme", "fields": [
        {"name": "id", "type": "long"},
        {"name": "none", "type": "null"},
        {"name": "flag", "type": "boolean"},
        {"name": "small", "type": "int"},
        {"name": "single", "type": "float"},
        {"name": "double", "type": "double"},
        {"name": "raw", "type": "bytes"},
        {"name": "text", "type": "string"},
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 4}},
        {"name": "again", "type": "Hash"},
        {"name": "color", "type": {"type": "enum", "name": "Color", "symbols": ["RED", "GRÜN".replace("Ü", "UE")]}},
        {"name": "list", "type": {"type": "array", "items": "Color"}},
        {"name": "labels", "type": {"type": "map", "values": ["null", "string"]}},
        {"name": "maybe", "type": ["null", {"type": "record", "name": "Meta", "fields": [
            {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "next", "type": ["null", "Meta"]},
        ]}]},
        {"name": "micros", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "nanos", "type": {"type": "long", "logicalType": "timestamp-nanos"}},
        {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}},
        {"name": "uuid", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "other.Place", "type": {"type": "record", "name": "other.Place", "fields": [
            {"name": "spot", "type": {"type": "enum", "name": "Spot", "symbols": ["HERE"]}},
            {"name": "spots", "type": {"type": "array", "items": "other.Spot"}},
        ]}},
    ],
}
AVRO["fields"][-1]["name"] = "place"


def avro():
    import decimal, io
    import fastavro

    def written(schema, datum):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(schema), datum)
        return out.getvalue()

    day = datetime.datetime(2024, 2, 29, 12, 34, 56, 789000, tzinfo=datetime.timezone.utc)
    datum = {
        "id": -(2**63), "none": None, "flag": True, "small": 2**31 - 1, "single": 0.25, "double": 1e300,
        "raw": b"\xff", "text": "grüße", "hash": b"abcd", "again": b"\xff\xff\xff\xff", "color": "GRUEN",
        "list": ["RED", "GRUEN"], "labels": {"a": "x", "b": None},
        "maybe": {"ts": day, "next": {"ts": datetime.datetime.fromtimestamp(0, datetime.timezone.utc), "next": None}},
        "micros": day, "nanos": -1, "local": day.replace(tzinfo=None), "day": datetime.date(2024, 2, 29),
        "clock": datetime.time(1, 2, 3), "price": decimal.Decimal("12.34"),
        "uuid": "12345678-1234-5678-1234-567812345678", "place": {"spot": "HERE", "spots": ["HERE"]},
    }
    found = {
        "id": f"integer {-2**63}", "none": "null", "flag": "true", "small": f"integer {2**31 - 1}",
        "single": "single 0.25", "raw": "binary", "text": "text grüße",
        "hash": "text abcd", "again": "binary", "color": "text GRUEN", "list": "container", "labels": "container",
        "labels.a": "text x", "labels.b": "null", "labels.c": "missing", "maybe": "container",
        "maybe.ts": "time 2024-02-29T12:34:56.789Z", "maybe.next.ts": "time 1970-01-01T00:00:00Z",
        "maybe.next.next": "null", "micros": "time 2024-02-29T12:34:56.789Z",
        "nanos": "time 1969-12-31T23:59:59.999999999Z", "local": "time 2024-02-29T12:34:56.789",
        "day": "time 2024-02-29", "clock": "integer 3723000", "price": "text \u0004\ufffd",
        "uuid": "text 12345678-1234-5678-1234-567812345678", "place.spot": "text HERE", "id.x": "missing",
    }
    found["price"] = "binary"  # 0x04d2
    text = json.dumps(AVRO)
    raw = {"format": "avro", "schemas": [{"name": "click", "text": text}]}
    value = written(AVRO, datum)
    case(raw, value, found)
    case(raw, written(AVRO, {**datum, "maybe": None}), {"maybe": "null", "maybe.ts": "missing", "id": found["id"]})
    for bad in [b"", value[:-1], value + b"\0"]:
        case(raw, bad, bad="not_avro")
    confluent = {
        "format": "avro", "framing": "confluent",
        "schemas": [{"name": "7", "text": '"string"'}, {"name": "65537", "text": text}],
    }
    case(confluent, b"\0\0\1\0\1" + value, found)
    case(confluent, b"\0\0\0\0\7" + written("string", "x"), {"id": "missing"})
    case(confluent, b"\0\0\0\0\6" + value, bad="unknown_schema")
    case(confluent, b"\1\0\1\0\1" + value, bad="not_avro")
    case(confluent, b"\0\0\1", bad="not_avro")
    single = {**raw, "framing": "single_object"}
    fingerprint = bytes.fromhex(fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(AVRO), "CRC-64-AVRO"))
    case(single, b"\xc3\x01" + fingerprint + value, found)
    case(single, b"\xc3\x01" + fingerprint[::-1] + value, bad="unknown_schema")
    case(single, value, bad="not_avro")
    write("avro")


def descriptors(name):
    import tempfile
    from grpc_tools import protoc

    with tempfile.NamedTemporaryFile() as out:
        google = pathlib.Path(protoc.__file__).parent / "_proto"
        options = [f"-I{HERE / 'proto'}", f"-I{google}", "--include_imports", f"--descriptor_set_out={out.name}"]
        assert protoc.main(["protoc", *options, name]) == 0
        return out.read()


def protobuf():
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    def messages(set):
        files = descriptor_pb2.FileDescriptorSet.FromString(set)
        pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            pool.Add(file)
        return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))

    set = descriptors("click.proto")
    of = messages(set)
    click = of("acme.Click")()
    click.id = -(2**63)
    click.at.seconds, click.at.nanos = 1709210096, 789000000
    click.meta.ts, click.meta.color, click.meta.name = 5, 7, "grüße"
    click.color = 1
    click.labels["a"] = "x"
    click.labels["b"] = ""
    click.metas[-3].ts = 9
    click.packed.extend([1, -1, 300])
    click.list.extend(["a", "b"])
    click.text = "gone"
    click.inner.name = "here"
    click.d, click.f, click.b, click.u64, click.s32, click.s64 = 1e300, 0.25, True, 2**64 - 1, -(2**31), -(2**63)
    click.f32, click.f64, click.sf32, click.sf64 = 2**32 - 1, 2**64 - 1, -1, -(2**63)
    click.i32, click.u32 = -1, 2**32 - 1
    click.times[True].seconds = -1
    click.next.id = 7
    found = {
        "id": f"integer {-2**63}", "1": "missing", "at": "time 2024-02-29T12:34:56.789Z",
        "at.seconds": "integer 1709210096", "meta": "container", "meta.ts": "integer 5",
        "meta.color": "text BLUE", "meta.name": "text grüße", "color": "text RED", "labels": "container",
        "labels.a": "text x", "labels.b": "text ", "labels.c": "missing", "metas.-3.ts": "integer 9",
        "metas.3.ts": "missing", "packed": "container", "list": "container", "text": "missing", "raw": "missing",
        "inner.name": "text here", "d": "double 1e300".replace("1e300", "1" + "0" * 300), "f": "single 0.25",
        "b": "true", "u64": f"integer {2**64 - 1}", "s32": f"integer {-2**31}", "s64": f"integer {-2**63}",
        "f32": f"integer {2**32 - 1}", "f64": f"integer {2**64 - 1}", "sf32": "integer -1",
        "sf64": f"integer {-2**63}", "i32": "integer -1", "u32": f"integer {2**32 - 1}",
        "times.true": "time 1969-12-31T23:59:59Z", "next.id": "integer 7", "next.at": "missing",
    }
    text = base64.b64encode(set).decode()
    schema = {"name": "click", "text": text}
    input = {"format": "protobuf", "schemas": [schema], "message": "acme.Click"}
    value = click.SerializeToString(deterministic=True)
    case(input, value, found)
    case(input, b"", {"id": "missing", "color": "missing", "at": "missing"})
    case(input, b"\x20\x63", {"color": "integer 99"})
    case(input, b"\x12\x00", {"at": "time 1970-01-01T00:00:00Z"})
    # an unknown field, and one that occurs again
    case(input, b"\xc0\x3e\x01\x08\x01\x08\x02", {"id": "integer 2"})
    # two halves of a message, and of a timestamp
    case(input, b"\x1a\x02\x08\x05\x1a\x03\x1a\x01x", {"meta.ts": "integer 5", "meta.name": "text x"})
    case(input, b"\x12\x02\x08\x01\x12\x02\x10\x01", {"at": "time 1970-01-01T00:00:01.000000001Z"})
    for bad in [value[:-1], value + b"\x08", b"\x00", b"\x0b", b"\x0c", b"\x0d\0\0\0\0", b"\x4a\x01\xff", b"\x0f"]:
        case(input, bad, bad="not_protobuf")
    view = {**input, "message": "acme.View"}
    case(view, of("acme.View")(seconds=5).SerializeToString(), {"seconds": "integer 5"})
    confluent = {"format": "protobuf", "framing": "confluent", "schemas": [{"name": "9", "text": text}]}
    head = b"\0\0\0\0\x09"
    case(confluent, head + b"\0" + value, found)
    case(confluent, head + b"\2\0" + value, found)
    case(confluent, head + b"\2\2" + of("acme.View")(seconds=5).SerializeToString(), {"seconds": "integer 5"})
    case(confluent, head + b"\4\0\0" + of("acme.Click.Inner")(x=6).SerializeToString(), {"x": "integer 6"})
    case(confluent, head + b"\6\0\0\0" + of("acme.Click.Inner.Deepest")(y=6).SerializeToString(), {"y": "integer 6"})
    case(confluent, head + b"\2\4" + value, bad="not_protobuf")
    case(confluent, head + b"\1" + value, bad="not_protobuf")
    case(confluent, b"\0\0\0\0\x08\0" + value, bad="unknown_schema")
    case(confluent, value, bad="not_protobuf")
    legacy = descriptors("legacy.proto")
    made = messages(legacy)("Legacy")(ts=3, loose=[1, 2])
    made.part.name = "p"
    made.part.numbers.extend([1, 2])
    input = {"format": "protobuf", "schemas": [{"name": "legacy", "text": base64.b64encode(legacy).decode()}]}
    value = made.SerializeToString()
    case(input, value, {"ts": "integer 3", "part.name": "text p", "part.numbers": "container", "loose": "container"})
    case(input, value[:-3], bad="not_protobuf")
    case({"format": "protobuf"}, value, {"1": "integer 3", "2.1": "text p", "3": "integer 2", "9": "missing"})
    case({"format": "protobuf"}, click.meta.SerializeToString(), {"1": "integer 5", "3": "text grüße"})
    case({"format": "protobuf"}, b"\x1a\x02\x08\x05", {"3.1": "integer 5", "3": "text \b\x05"})
    case({"format": "protobuf"}, b"\x1a\x02\x08", bad="not_protobuf")
    write("protobuf")


def thrift():
    import thriftpy2
    from thriftpy2.protocol import TBinaryProtocolFactory, TCompactProtocolFactory
    from thriftpy2.utils import serialize

    folder = HERE / "thrift"
    idl = thriftpy2.load(str(folder / "click.thrift"), module_name="click_thrift", include_dirs=[str(folder)])
    meta = idl.shared.Meta
    click = idl.Click(
        ts=1700000000000, name="grüße", meta=meta(ts=5, name="m", after=meta(ts=6)), color=6,
        metas={"a": meta(ts=7), "b": meta(ts=8)}, metalist=[meta(ts=9)] * 20, numbers={1, 2}, yes=True, no=False,
        small=-1, short=-2, ratio=0.5, raw=b"\xff", names={1: "one", -1: "minus"}, either=idl.Either(text="t"),
        far=70000, flags=[True, False], i=-(2**31),
    )
    found = {
        "ts": "integer 1700000000000", "1": "missing", "name": "text grüße", "meta": "container", "meta.ts": "integer 5",
        "meta.after.ts": "integer 6", "meta.after.name": "missing",
        "color": "text BLUE", "metas.b.ts": "integer 8", "metas.c": "missing", "metalist": "container",
        "numbers": "container", "yes": "true", "no": "false", "small": "integer -1", "short": "integer -2",
        "ratio": "double 0.5", "raw": "binary", "names.1": "text one", "names.-1": "text minus",
        "either.text": "text t", "either.number": "missing", "far": "integer 70000", "flags": "container",
        "i": f"integer {-2**31}",
    }
    text = (folder / "click.thrift").read_text()
    includes = {"common/shared.thrift": (folder / "common/shared.thrift").read_text()}
    named = {"format": "thrift", "schemas": [{"name": "click", "text": text, "includes": includes}], "message": "Click"}
    bare = {
        "1": "integer 1700000000000", "3.1": "integer 5", "3.3.1": "integer 6", "4": "integer 6", "5.b.1": "integer 8",
        "8": "true", "14.-1": "text minus", "15.2": "text t", "300": "integer 70000", "301": "missing",
    }
    for protocol, factory in [("binary", TBinaryProtocolFactory()), ("compact", TCompactProtocolFactory())]:
        value = serialize(click, factory)
        case({**named, "protocol": protocol}, value, found)
        case({"format": "thrift", "protocol": protocol}, value, bare)
        shared = {**named, "protocol": protocol, "message": "shared.Meta"}
        case(shared, serialize(meta(ts=1, name="x"), factory), {"ts": "integer 1", "name": "text x"})
        case(shared, b"\0", {"ts": "missing"})
        for bad in [b"", value[:-1], value + b"\0", b"\x0e", b"\x01"]:
            case({"format": "thrift", "protocol": protocol}, bad, bad="not_thrift")
    write("thrift")


if __name__ == "__main__":
    messagepack()
    avro()
    protobuf()
    thrift()
