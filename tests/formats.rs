//! Goal: every output format goes the whole way: archived by the binary from a real broker, verified record by record,
//! and printed again by `secor cat`.
//! Method: the same records, with headers, timestamps and tombstones, in one topic per format; what `cat --json`
//! prints is compared with what was produced, as far as the format keeps it. `tests/interop.rs` has other readers.

mod harness;

use harness::{Kafka, Secor};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use serde_json::{Value, json};

const RECORDS: i64 = 400;
/// 2000-02-29T23:59:59.999Z
const TIME_MS: i64 = 951_868_799_999;

/// Topic, its archive's keys, and what the format keeps beside the value.
const ARCHIVES: [(&str, &str, &[&str]); 10] = [
    ("formats_text", r#"output = { compression = "lzo" }"#, &[]),
    ("formats_json", r#"output = { format = "json", compression = "snappy", framing = "stream" }"#, &["null"]),
    ("formats_csv", r#"output = { format = "csv", columns = ["id", "text"], compression = "bzip2" }"#, &[]),
    (
        "formats_envelope",
        r#"output = { format = "json", content = "envelope", compression = "deflate" }"#,
        &["null", "offset", "timestamp", "key", "headers"],
    ),
    (
        "formats_avro",
        r#"output = { format = "avro", content = "envelope", compression = "zstd" }"#,
        &["null", "offset", "timestamp", "key", "headers"],
    ),
    (
        "formats_parquet",
        r#"output = { format = "parquet", content = "envelope", compression = "zstd", row_group_rows = 40 }"#,
        &["null", "offset", "timestamp", "key", "headers"],
    ),
    (
        "formats_columns",
        r#"output = { format = "parquet", compression = "brotli", schema = "text string, id int, _kafka_topic string, _kafka_partition int, _kafka_offset bigint, _kafka_headers map<string,string>" }"#,
        &[],
    ),
    (
        "formats_orc",
        r#"output = { format = "orc", content = "envelope", compression = "zstd" }"#,
        &["null", "offset", "timestamp", "key", "headers"],
    ),
    (
        "formats_orc_columns",
        r#"output = { format = "orc", compression = "snappy", schema = "text string, id int" }"#,
        &[],
    ),
    (
        "formats_avro_filled",
        concat!(
            r#"output = { format = "avro", compression = "bzip2", schema = '["null",{"type":"record","name":"R","fields":["#,
            r#"{"name":"text","type":"string"},{"name":"id","type":["null","int"]}]}]' }"#,
        ),
        &[],
    ),
];

/// `None`: a tombstone.
fn value(id: i64) -> Option<String> {
    (id % 50 != 7).then(|| format!(r#"{{"id":{id},"text":"grüße, \"{id}\""}}"#))
}

fn produce(kafka: &Kafka, topic: &str) {
    kafka.produce_with(|send| {
        for id in 0..RECORDS {
            let (trace, value) = (format!("trace {id}"), value(id));
            let record = BaseRecord::<(), [u8]>::to(topic).partition(0).timestamp(TIME_MS + id);
            let headers = OwnedHeaders::new().insert(Header { key: "trace", value: Some(&trace) });
            let record = record.headers(headers.insert(Header { key: "none", value: None::<&str> }));
            match &value {
                Some(value) => send(record.payload(value.as_bytes())),
                None => send(record),
            }
        }
    });
}

fn configuration(kafka: &Kafka, folder: &std::path::Path) -> String {
    std::fs::create_dir_all(folder.join("archive")).expect("the folder is ours");
    let archives = ARCHIVES.map(|(topic, output, _)| {
        format!("[[archive]]\ntopics = [\"{topic}\"]\ninput = {{ format = \"json\" }}\n{output}\nflush = {{ max_records = 150 }}\n")
    });
    format!(
        "on_refused = \"exit\"\n[kafka]\nbrokers = [\"{}\"]\ngroup = \"formats\"\n[store]\nurl = \"file://{}/archive\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n{}",
        kafka.bootstrap(),
        folder.display(),
        archives.concat()
    )
}

/// What `cat --json` says of the record in `topic`, but for the file's name.
fn expected(topic: &str, kept: &[&str], id: i64) -> Value {
    let keeps = |what: &str| kept.contains(&what);
    let mut line = json!({"topic": topic, "partition": 0, "offset": id});
    if keeps("timestamp") {
        line["timestamp"] = json!(TIME_MS + id);
    }
    if keeps("key") {
        line["key"] = Value::Null;
    }
    if keeps("headers") {
        let trace = json!({"name": "trace", "value": format!("trace {id}")});
        line["headers"] = json!([trace, {"name": "none", "value": null}]);
    }
    line["value"] = match value(id) {
        None if keeps("null") => Value::Null,
        _ if topic.ends_with("_columns") => {
            let text = value(id).map(|_| format!("grüße, \"{id}\""));
            let (offset, id) = (id, text.as_ref().map(|_| id));
            let beside = match topic {
                "formats_columns" => format!(
                    r#","_kafka_topic":"{topic}","_kafka_partition":0,"_kafka_offset":{offset},"_kafka_headers":{{"none":null,"trace":"trace {offset}"}}"#
                ),
                _ => String::new(),
            };
            json!(format!(r#"{{"text":{},"id":{}{beside}}}"#, json!(text), json!(id)))
        }
        Some(_) if topic == "formats_avro_filled" => {
            json!(format!(r#"{{"text":{},"id":{id}}}"#, json!(format!("grüße, \"{id}\""))))
        }
        None if topic == "formats_avro_filled" => json!("null"),
        None if topic == "formats_csv" => json!(","),
        None => json!(""),
        Some(_) if topic == "formats_csv" => json!(format!(r#"{id},"grüße, ""{id}""""#)),
        Some(value) => json!(value),
    };
    line
}

#[test]
fn every_format_goes_the_whole_way() {
    let kafka = Kafka::shared();
    for (topic, ..) in ARCHIVES {
        kafka.create_topic(topic, 1, &[]);
        produce(kafka, topic);
    }
    let secor = Secor::new(|folder| configuration(kafka, folder));
    secor.run(&["run", "--until-end"]).expect_code(0);
    let index = || secor.run(&["lzo-index"]).expect_code(0).stdout;
    assert_eq!(index(), "formats_text:0: 3 files, 3 indexes written\n");
    assert_eq!(index(), "formats_text:0: 3 files, 0 indexes written\n");
    let all = (RECORDS * i64::try_from(ARCHIVES.len()).expect("few")).to_string();
    secor.run(&["verify", "--deep", "--against-kafka", "--expect", &all]).expect_code(0);
    for (topic, _, kept) in ARCHIVES {
        let printed = secor.run(&["cat", topic, "--json"]).expect_code(0).stdout;
        let mut lines: Vec<Value> =
            printed.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
        for line in &mut lines {
            line.as_object_mut().expect("an object").remove("file");
        }
        let expected: Vec<_> = (0..RECORDS).map(|id| expected(topic, kept, id)).collect();
        assert_eq!(lines.len(), expected.len(), "{topic}");
        for (line, expected) in lines.iter().zip(&expected) {
            assert_eq!(line, expected, "{topic}");
        }
    }
}
