use proptest::prelude::*;
use secor_core::ids::Offset;
use secor_core::shape::{BadRecords, Input, InputFormat, Output, OutputFormat, TimeUnit, Timestamp, TimestampSource};

use super::*;

/// 2023-11-14T22:13:20Z
const TIME_MS: i64 = 1_700_000_000_000;
const CLOCK_MS: i64 = 1_800_000_000_000;

fn shape(input: InputFormat, templates: &[&str]) -> Shape {
    Shape {
        version: Shape::VERSION,
        input: Input { format: input, ..Input::default() },
        timestamp: Timestamp { separator: ".".to_owned(), ..Timestamp::default() },
        time_zone: "UTC".to_owned(),
        output_partitions: templates.iter().map(|&text| text.to_owned()).collect(),
        output: Output::default(),
        layout: "secor".to_owned(),
        bad_records: BadRecords::DeadLetter,
    }
}

fn dated(change: impl FnOnce(&mut Shape)) -> Pipeline {
    let mut shape = shape(InputFormat::Json, &["dt={timestamp:%Y-%m-%d}", "hr={timestamp:%H}"]);
    shape.timestamp.field = Some("meta.ts".to_owned());
    change(&mut shape);
    Pipeline::new(&shape).unwrap()
}

fn record(value: Option<&[u8]>) -> Record<'_> {
    Record { offset: Offset::new(12_345).unwrap(), timestamp: Some(TIME_MS), key: None, value, headers: &[] }
}

/// The output partition, or the reason against it.
fn routed(pipeline: &mut Pipeline, record: &Record<'_>) -> Result<String, BadReason> {
    match pipeline.route(record, CLOCK_MS) {
        Ok(routed) => Ok(pipeline.output_partition(routed.partition).to_owned()),
        Err(bad) => Err(bad.reason),
    }
}

fn to(pipeline: &mut Pipeline, value: &str) -> Result<String, BadReason> {
    routed(pipeline, &record(Some(value.as_bytes())))
}

#[test]
fn bytes_go_anywhere_without_a_look() {
    let mut shape = shape(InputFormat::Bytes, &[]);
    shape.output.format = OutputFormat::Sequence;
    let mut pipeline = Pipeline::new(&shape).unwrap();
    for value in [None, Some(&b""[..]), Some(b"\xff\n\0")] {
        let routed = pipeline.route(&record(value), CLOCK_MS).unwrap();
        assert_eq!((routed.partition.index(), routed.event_time), (0, None));
        assert_eq!(routed.value.as_deref(), value);
        assert_eq!(pipeline.output_partition(routed.partition), "");
    }
}

#[test]
fn text_must_be_utf_8_and_json_an_object() {
    let mut text = Pipeline::new(&shape(InputFormat::Text, &[])).unwrap();
    assert_eq!(routed(&mut text, &record(Some(b"gr\xc3\xbc\xc3\x9fe"))), Ok(String::new()));
    assert_eq!(routed(&mut text, &record(Some(b""))), Ok(String::new()));
    assert_eq!(routed(&mut text, &record(Some(b"gr\xfc\xdfe"))), Err(BadReason::NotUtf8));
    let mut json = Pipeline::new(&shape(InputFormat::Json, &[])).unwrap();
    assert_eq!(to(&mut json, "{}"), Ok(String::new()));
    assert_eq!(routed(&mut json, &record(None)), Ok(String::new()));
    for bad in [&b""[..], b"[]", b"{", b"{\"a\":\"\xff\"}", b"\xef\xbb\xbf{}"] {
        assert_eq!(routed(&mut json, &record(Some(bad))), Err(BadReason::NotJson), "{bad:?}");
    }
    let bad = json.route(&record(Some(b"{\"a\":\"\xff\"}")), CLOCK_MS).unwrap_err();
    assert_eq!(bad.to_string(), "not_json: no UTF-8 at byte 6");
}

#[test]
fn json_by_the_hour() {
    let mut pipeline = dated(|_| {});
    assert_eq!(to(&mut pipeline, r#"{"meta":{"ts":1700000000}}"#).unwrap(), "dt=2023-11-14/hr=22");
    assert_eq!(to(&mut pipeline, r#"{"meta":{"ts":"1700000000999"}}"#).unwrap(), "dt=2023-11-14/hr=22");
    assert_eq!(to(&mut pipeline, r#"{"meta":{"ts":1.7e9}}"#).unwrap(), "dt=2023-11-14/hr=22");
    assert_eq!(to(&mut pipeline, r#"{"meta":{"ts":-1}}"#).unwrap(), "dt=1969-12-31/hr=23");
    assert_eq!(to(&mut pipeline, r#"{"meta":{"ts":0}}"#).unwrap(), "dt=1970-01-01/hr=00");
    assert_eq!(pipeline.partitions(), 3);
    let routed = pipeline.route(&record(Some(br#"{"meta":{"ts":1700000000123}}"#)), CLOCK_MS).unwrap();
    assert_eq!((routed.partition.index(), routed.event_time), (0, Some(1_700_000_000_123)));
    for missing in [r"{}", r#"{"meta":{}}"#, r#"{"meta":7}"#, r#"{"meta":{"ts":null}}"#, r#"{"meta.ts":1700000000}"#] {
        assert_eq!(to(&mut pipeline, missing), Err(BadReason::TimestampMissing), "{missing}");
    }
    for bad in ["\"\"", "\"x\"", "true", "{}", "[1]", "1e300", "\" 1\"", "\"\\ud800\""] {
        let value = format!(r#"{{"meta":{{"ts":{bad}}}}}"#);
        assert_eq!(to(&mut pipeline, &value), Err(BadReason::TimestampBad), "{bad}");
    }
    assert_eq!(routed_null(&mut pipeline), Err(BadReason::TimestampMissing));
}

fn routed_null(pipeline: &mut Pipeline) -> Result<String, BadReason> {
    routed(pipeline, &record(None))
}

#[test]
fn policies_for_missing_and_bad_times() {
    let (missing, bad) = (r"{}", r#"{"meta":{"ts":"x"}}"#);
    let default = "dt=__HIVE_DEFAULT_PARTITION__/hr=__HIVE_DEFAULT_PARTITION__".to_owned();
    for (policy, expected) in [
        (TimestampPolicy::DeadLetter, None),
        (TimestampPolicy::Kafka, Some("dt=2023-11-14/hr=22".to_owned())),
        (TimestampPolicy::DefaultPartition, Some(default)),
        (TimestampPolicy::Epoch, Some("dt=1970-01-01/hr=00".to_owned())),
    ] {
        let mut pipeline = dated(|shape| shape.timestamp.missing = policy);
        assert_eq!(to(&mut pipeline, missing), expected.clone().ok_or(BadReason::TimestampMissing), "{policy:?}");
        assert_eq!(routed_null(&mut pipeline), expected.clone().ok_or(BadReason::TimestampMissing), "{policy:?}");
        assert_eq!(to(&mut pipeline, bad), Err(BadReason::TimestampBad), "{policy:?}");
        let mut pipeline = dated(|shape| shape.timestamp.bad = policy);
        assert_eq!(to(&mut pipeline, bad), expected.ok_or(BadReason::TimestampBad), "{policy:?}");
        assert_eq!(to(&mut pipeline, missing), Err(BadReason::TimestampMissing), "{policy:?}");
    }
    let mut pipeline = dated(|shape| shape.timestamp.missing = TimestampPolicy::Kafka);
    let without = Record { timestamp: None, ..record(Some(b"{}")) };
    assert_eq!(routed(&mut pipeline, &without), Err(BadReason::TimestampMissing));
    let beyond = Record { timestamp: Some(i64::MAX), ..record(Some(b"{}")) };
    assert_eq!(routed(&mut pipeline, &beyond), Err(BadReason::TimestampBad));
    let mut pipeline = dated(|shape| shape.timestamp.missing = TimestampPolicy::DefaultPartition);
    assert_eq!(pipeline.route(&record(None), CLOCK_MS).unwrap().event_time, None);
}

#[test]
fn other_sources_of_time() {
    let hour = "hr={timestamp:%Y-%m-%d-%H}";
    let by = |input, source, pattern: Option<&str>, field: Option<&str>| {
        let mut shape = shape(input, &[hour]);
        shape.timestamp.source = Some(source);
        shape.timestamp.pattern = pattern.map(str::to_owned);
        shape.timestamp.field = field.map(str::to_owned);
        Pipeline::new(&shape).unwrap()
    };
    let mut kafka = by(InputFormat::Bytes, TimestampSource::Kafka, None, None);
    assert_eq!(routed_null(&mut kafka).unwrap(), "hr=2023-11-14-22");
    let without = Record { timestamp: None, ..record(Some(b"x")) };
    assert_eq!(routed(&mut kafka, &without), Err(BadReason::TimestampMissing));
    let mut clock = by(InputFormat::Bytes, TimestampSource::Clock, None, None);
    assert_eq!(routed_null(&mut clock).unwrap(), "hr=2027-01-15-08");
    let mut regex = by(InputFormat::Bytes, TimestampSource::Regex, Some(r"ts=(\w+)"), None);
    assert_eq!(to(&mut regex, "a ts=1700000000 b ts=5").unwrap(), "hr=2023-11-14-22");
    assert_eq!(to(&mut regex, "a"), Err(BadReason::TimestampMissing));
    assert_eq!(to(&mut regex, "ts=now"), Err(BadReason::TimestampBad));
    assert_eq!(routed(&mut regex, &record(Some(b"\xff ts=1700000000"))).unwrap(), "hr=2023-11-14-22");
    let mut iso = by(InputFormat::Json, TimestampSource::Iso8601, None, Some("t"));
    assert_eq!(to(&mut iso, r#"{"t":"2024-02-29T23:30:00-01:00"}"#).unwrap(), "hr=2024-03-01-00");
    assert_eq!(to(&mut iso, r#"{"t":"2023-02-29"}"#), Err(BadReason::TimestampBad));
    let mut pattern = by(InputFormat::Json, TimestampSource::Pattern, Some("%Y%m%d"), Some("t"));
    assert_eq!(to(&mut pattern, r#"{"t":20240229}"#).unwrap(), "hr=2024-02-29-00");
    assert_eq!(to(&mut pattern, r#"{"t":"20230229"}"#), Err(BadReason::TimestampBad));
}

#[test]
fn fields_offsets_and_the_clock_make_partitions() {
    let templates = ["c={field:geo.country}", "o={offset:1000}-x", "at={clock:%Y-%m-%d}"];
    let mut pipeline = Pipeline::new(&shape(InputFormat::Json, &templates)).unwrap();
    for (country, expected) in [
        (r#""DE""#, "DE"),
        (r#""a/b=c%""#, "a%2Fb%3Dc%25"),
        (r#""\u0044E""#, "DE"),
        (r#""""#, "__HIVE_DEFAULT_PARTITION__"),
        ("null", "__HIVE_DEFAULT_PARTITION__"),
        ("true", "true"),
        ("1.50", "1.50"),
        ("1e999", "1e999"),
        (r#""東京\n""#, "東京%0A"),
    ] {
        let value = format!(r#"{{"geo":{{"country":{country}}}}}"#);
        assert_eq!(to(&mut pipeline, &value).unwrap(), format!("c={expected}/o=12000-x/at=2027-01-15"), "{country}");
    }
    let default = "c=__HIVE_DEFAULT_PARTITION__/o=12000-x/at=2027-01-15";
    assert_eq!(to(&mut pipeline, "{}").unwrap(), default);
    assert_eq!(routed_null(&mut pipeline).unwrap(), default);
    for country in ["{}", "[]", r#""\udc00""#] {
        let value = format!(r#"{{"geo":{{"country":{country}}}}}"#);
        assert_eq!(to(&mut pipeline, &value), Err(BadReason::FieldNotScalar), "{country}");
    }
    let long = format!(r#"{{"geo":{{"country":"{}"}}}}"#, "x".repeat(254));
    assert_eq!(to(&mut pipeline, &long), Err(BadReason::IllegalOutputPartition));
    // another clock value, another output partition, also when everything else is the same
    let routed = pipeline.route(&record(None), TIME_MS).unwrap();
    assert_eq!(pipeline.output_partition(routed.partition), default.replace("2027-01-15", "2023-11-14"));
}

#[test]
fn fields_that_read_alike_side_by_side_are_told_apart() {
    let mut pipeline = Pipeline::new(&shape(InputFormat::Json, &["a={field:a}", "b={field:b}"])).unwrap();
    assert_eq!(to(&mut pipeline, r#"{"a":"x","b":"yz"}"#).unwrap(), "a=x/b=yz");
    assert_eq!(to(&mut pipeline, r#"{"a":"xy","b":"z"}"#).unwrap(), "a=xy/b=z");
}

#[test]
fn messagepack_makes_the_partitions_that_json_makes() {
    let templates = ["dt={timestamp:%Y-%m-%d}", "c={field:c}"];
    let mut shape = shape(InputFormat::MessagePack, &templates);
    shape.timestamp.field = Some("t".to_owned());
    shape.output.format = OutputFormat::Sequence;
    let mut pipeline = Pipeline::new(&shape).unwrap();
    for (country, expected) in [
        (&b"\xa2DE"[..], Ok("DE")),
        (b"\xc4\x02DE", Ok("DE")),
        (b"\x07", Ok("7")),
        (b"\xcc\x07", Ok("7")),
        (b"\xff", Ok("-1")),
        (b"\xca\x3d\xcc\xcc\xcd", Ok("0.1")),
        (b"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", Ok("0.1")),
        (b"\xd6\xff\x00\x00\x00\x00", Ok("1970-01-01T00%3A00%3A00Z")),
        (b"\xc3", Ok("true")),
        (b"\xc0", Ok("__HIVE_DEFAULT_PARTITION__")),
        (b"\xa0", Ok("__HIVE_DEFAULT_PARTITION__")),
        (b"\xa1\xff", Err(BadReason::FieldNotScalar)),
        (b"\x90", Err(BadReason::FieldNotScalar)),
    ] {
        let value = [&b"\x82\xa1t\xce\x65\x53\xf1\x00\xa1c"[..], country].concat();
        let expected = expected.map(|country| format!("dt=2023-11-14/c={country}"));
        assert_eq!(routed(&mut pipeline, &record(Some(&value))), expected, "{country:?}");
    }
    assert_eq!(pipeline.partitions(), 7);
    let instant = b"\x81\xa1t\xd6\xff\x65\x53\xf1\x00";
    assert_eq!(pipeline.route(&record(Some(instant)), CLOCK_MS).unwrap().event_time, Some(TIME_MS));
    for (time, reason) in [(&b"\xc3"[..], BadReason::TimestampBad), (b"\xc0", BadReason::TimestampMissing)] {
        let value = [&b"\x81\xa1t"[..], time].concat();
        assert_eq!(routed(&mut pipeline, &record(Some(&value))), Err(reason));
    }
    assert_eq!(routed(&mut pipeline, &record(Some(b"\x90"))), Err(BadReason::NotMessagePack));
}

#[test]
fn named_groups_are_the_fields_of_text() {
    let mut shape = shape(InputFormat::Text, &["dt={timestamp:%Y-%m-%d}", "host={field:host}"]);
    shape.input.pattern = Some(r"^(?<host>\S+) (?:-|\[(?<at>[^\]]+)\])".to_owned());
    shape.timestamp.source = Some(TimestampSource::Pattern);
    shape.timestamp.field = Some("at".to_owned());
    shape.timestamp.pattern = Some("%d/%b/%Y:%H:%M:%S %z".to_owned());
    let mut pipeline = Pipeline::new(&shape).unwrap();
    assert_eq!(to(&mut pipeline, "web1 [10/Oct/2000:13:55:36 -0700] x").unwrap(), "dt=2000-10-10/host=web1");
    assert_eq!(to(&mut pipeline, "web1 -"), Err(BadReason::TimestampMissing));
    assert_eq!(to(&mut pipeline, "web1 [now]"), Err(BadReason::TimestampBad));
    assert_eq!(to(&mut pipeline, "web1"), Err(BadReason::NoMatch));
    assert_eq!(routed(&mut pipeline, &record(Some(b"\xff"))), Err(BadReason::NotUtf8));
    assert_eq!(routed_null(&mut pipeline), Err(BadReason::TimestampMissing));
    shape.timestamp.field = Some("zeit".to_owned());
    shape.input.pattern = Some("(".to_owned());
    let keys = |shape: &Shape| {
        let faults = Pipeline::new(shape).err().unwrap().faults;
        faults.into_iter().map(|fault| format!("{}: {}", fault.key, fault.message)).collect::<Vec<_>>()
    };
    assert_eq!(keys(&shape), ["input.pattern: regular expression `(`: unclosed group"]);
    shape.input.pattern = Some("(?<host>.)(.)".to_owned());
    let message = "timestamp.field: field `zeit` is named, but the pattern of the input has no group of that name";
    assert_eq!(keys(&shape), [message]);
}

#[test]
fn illegal_names_are_bad_records() {
    let mut bare = Pipeline::new(&shape(InputFormat::Json, &["{field:a}", "{field:b}", "{field:c}"])).unwrap();
    assert_eq!(to(&mut bare, r#"{"a":".","b":1,"c":1}"#), Err(BadReason::IllegalOutputPartition));
    assert_eq!(to(&mut bare, r#"{"a":"..","b":1,"c":1}"#), Err(BadReason::IllegalOutputPartition));
    let value = |len: usize| format!(r#"{{"a":"{0}","b":"{0}","c":"{1}"}}"#, "x".repeat(200), "y".repeat(len));
    assert_eq!(to(&mut bare, &value(110)).unwrap().len(), OUTPUT_PARTITION_BYTES_MAX);
    assert_eq!(to(&mut bare, &value(111)), Err(BadReason::IllegalOutputPartition));
}

#[test]
fn values_that_hold_the_delimiter() {
    let stored = |input, delimiter: &str, value: &'static [u8]| {
        let mut shape = shape(input, &[]);
        shape.output.delimiter = delimiter.to_owned();
        let routed = Pipeline::new(&shape).unwrap().route(&record(Some(value)), CLOCK_MS);
        routed.map(|routed| routed.value.unwrap().into_owned()).map_err(|bad| bad.reason)
    };
    let bad = Err(BadReason::DelimiterInValue);
    assert_eq!(stored(InputFormat::Bytes, "\n", b"a\nb"), bad);
    assert_eq!(stored(InputFormat::Bytes, "\n", b"a\r"), Ok(b"a\r".to_vec()));
    assert_eq!(stored(InputFormat::Text, "\r\n", b"a\nb\r"), Ok(b"a\nb\r".to_vec()));
    assert_eq!(stored(InputFormat::Text, "\r\n", b"a\r\nb"), bad);
    // it would be met before its end
    assert_eq!(stored(InputFormat::Bytes, "aa", b"xa"), bad);
    assert_eq!(stored(InputFormat::Bytes, "abab", b"ab"), bad);
    assert_eq!(stored(InputFormat::Bytes, "abab", b"xab"), bad);
    assert_eq!(stored(InputFormat::Bytes, "aab", b"xa"), Ok(b"xa".to_vec()));
    assert_eq!(stored(InputFormat::Bytes, "aa", b""), Ok(b"".to_vec()));
    // line breaks of JSON stand between tokens
    assert_eq!(stored(InputFormat::Json, "\n", b"{\r\n\"a\":\t1\n}\n"), Ok(b"{  \"a\":\t1 } ".to_vec()));
    assert_eq!(stored(InputFormat::Json, "\n", b"{\"a\":1}\r"), Ok(b"{\"a\":1}\r".to_vec()));
    assert_eq!(stored(InputFormat::Json, ",", b"{\"a\":1,\"b\":2}"), bad);
    let untouched = record(Some(b"{\"a\":1}"));
    let mut pipeline = Pipeline::new(&shape(InputFormat::Json, &[])).unwrap();
    assert!(matches!(pipeline.route(&untouched, CLOCK_MS).unwrap().value, Some(Cow::Borrowed(_))));
}

#[test]
fn the_earlier_line_of_the_table_decides() {
    let mut pipeline = dated(|shape| shape.output.delimiter = ",".to_owned());
    assert_eq!(to(&mut pipeline, "x,"), Err(BadReason::NotJson));
    assert_eq!(to(&mut pipeline, r#"{"a":1,"b":2}"#), Err(BadReason::DelimiterInValue));
}

#[test]
fn partitions_are_forgotten_between_batches() {
    let mut pipeline = dated(|_| {});
    let time = |hour: i64| format!(r#"{{"meta":{{"ts":{}}}}}"#, 1_700_000_000 + 3_600 * hour);
    let first = to(&mut pipeline, &time(0)).unwrap();
    assert_ne!(to(&mut pipeline, &time(1)).unwrap(), first);
    pipeline.forget_partitions();
    assert_eq!(pipeline.partitions(), 0);
    let value = time(1);
    let routed = pipeline.route(&record(Some(value.as_bytes())), CLOCK_MS).unwrap();
    assert_eq!((routed.partition.index(), pipeline.output_partition(routed.partition)), (0, "dt=2023-11-14/hr=23"));
}

#[test]
fn all_mistakes_of_a_shape_at_once() {
    let mut shape = shape(InputFormat::Text, &["dt={timestamp:%Q}", "c={field:country}"]);
    shape.time_zone = "Berlin".to_owned();
    shape.layout = "kafka-store".to_owned();
    shape.timestamp.field = Some("ts".to_owned());
    shape.timestamp.pattern = Some("x".to_owned());
    shape.output.delimiter = String::new();
    shape.output.level = Some(3);
    shape.output.extension = Some("gz".to_owned());
    let error = Pipeline::new(&shape).err().unwrap();
    let keys: Vec<_> = error.faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "time_zone",
            "output_partitions[0]",
            "layout",
            "output.delimiter",
            "output.level",
            "output.extension",
            "output_partitions[1]",
            "timestamp.pattern",
            "timestamp.field",
        ]
    );
    assert!(error.faults.iter().all(|fault| !fault.hint.is_empty() && !fault.message.is_empty()));
    assert!(error.to_string().starts_with("`time_zone`: time zone `Berlin` is unknown; `output_partitions[0]`: "));
}

#[test]
fn single_mistakes_of_a_shape() {
    use secor_core::shape::Compression;
    let fault = |change: &dyn Fn(&mut Shape)| {
        let mut shape = shape(InputFormat::Json, &[]);
        change(&mut shape);
        let faults = Pipeline::new(&shape).err().map_or_else(Vec::new, |error| error.faults);
        faults.into_iter().map(|fault| format!("{}: {}", fault.key, fault.message)).collect::<Vec<_>>().join("; ")
    };
    let source = |source, pattern: Option<&str>| {
        let pattern = pattern.map(str::to_owned);
        fault(&move |shape: &mut Shape| {
            shape.timestamp.source = Some(source);
            shape.timestamp.pattern = pattern.clone();
        })
    };
    assert_eq!(fault(&|_| {}), "");
    assert_eq!(fault(&|shape| shape.version = 2), "version: version 2 is not known");
    assert_eq!(source(TimestampSource::Field, None), "timestamp.field: the source needs a field, and none is named");
    assert_eq!(source(TimestampSource::Regex, None), "timestamp.pattern: the source needs a pattern, and none is set");
    assert_eq!(
        source(TimestampSource::Regex, Some("ts=[0-9]+")),
        "timestamp.pattern: regular expression `ts=[0-9]+` has no group"
    );
    assert_eq!(
        source(TimestampSource::Regex, Some("ts=([0-9]+")),
        "timestamp.pattern: regular expression `ts=([0-9]+`: unclosed group"
    );
    assert!(source(TimestampSource::Pattern, Some("%H:%M")).starts_with("timestamp.pattern: pattern `%H:%M`"));
    assert_eq!(
        fault(&|shape| shape.timestamp.field = Some("a..b".to_owned())),
        "timestamp.field: a name in the field's path is empty"
    );
    for (compression, level, expected) in [
        (Compression::Gzip, 12, ""),
        (Compression::Gzip, 13, "output.level: gzip has no level 13"),
        (Compression::Gzip, 0, "output.level: gzip has no level 0"),
        (Compression::Zstd, 22, ""),
        (Compression::Zstd, 23, "output.level: zstd has no level 23"),
    ] {
        let found = fault(&|shape| {
            shape.output.compression = compression;
            shape.output.level = Some(level);
        });
        assert_eq!(found, expected);
    }
    let extension = |text: &str| fault(&|shape| shape.output.extension = Some(text.to_owned()));
    assert_eq!((extension(""), extension(".log.gz")), (String::new(), String::new()));
    assert_eq!(extension("./x"), "output.extension: `./x` is no extension");
}

#[test]
fn a_separator_of_ones_own_reaches_names_with_dots() {
    let mut slash = dated(|shape| {
        shape.timestamp.separator = "/".to_owned();
        shape.timestamp.field = Some("a.b/ts".to_owned());
    });
    assert!(to(&mut slash, r#"{"a.b":{"ts":1700000000}}"#).is_ok());
    let mut none = dated(|shape| {
        shape.timestamp.separator = String::new();
        shape.timestamp.field = Some("a.b/ts".to_owned());
        shape.timestamp.unit = TimeUnit::Milliseconds;
    });
    assert_eq!(to(&mut none, r#"{"a.b/ts":1700000000}"#).unwrap(), "dt=1970-01-20/hr=16");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    // what the cache answers is what a fresh pipeline answers
    #[test]
    fn the_cache_changes_nothing(
        zone in prop::sample::select(&["UTC", "Europe/Berlin", "Australia/Lord_Howe"][..]),
        seconds in prop::collection::vec(prop_oneof![
            1_774_700_000..1_774_800_000i64, 1_792_800_000..1_792_990_000i64, -5_000_000_000..5_000_000_000i64,
        ], 1..60),
        countries in prop::collection::vec("[ab]{0,2}", 60),
    ) {
        let mut shape = shape(InputFormat::Json, &["dt={timestamp:%F}", "c={field:c}", "hr={timestamp:%H}"]);
        shape.time_zone = zone.to_owned();
        shape.timestamp.field = Some("t".to_owned());
        let mut cached = Pipeline::new(&shape).unwrap();
        for (seconds, country) in seconds.iter().zip(&countries) {
            let value = format!(r#"{{"c":"{country}","t":{seconds}}}"#);
            let fresh = to(&mut Pipeline::new(&shape).unwrap(), &value);
            prop_assert_eq!(to(&mut cached, &value), fresh);
        }
    }
}
