//! Goal: prove the ground that the other black-box tests stand on, apart from Secor itself.
//! Method: start each server, take something through it, look at it with other people's code, and see that it is gone
//! afterwards.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutMode};

mod harness;

use harness::{Gate, Kafka, Listener, S3, Secor, eventually, java, python};

#[test]
fn records_come_back_from_kafka_in_order() {
    let kafka = Kafka::shared();
    kafka.create_topic("smoke", 2, &[]);
    kafka.produce("smoke", 0, (0..1000).map(|n| format!("a{n}")));
    kafka.produce("smoke", 1, ["b0"]);

    let values: Vec<_> = kafka.consume("smoke").into_iter().map(|r| (r.partition, r.offset, r.value)).collect();

    let mut expected: Vec<_> = (0..1000).map(|n| (0, n, Some(format!("a{n}").into_bytes()))).collect();
    expected.push((1, 0, Some(b"b0".to_vec())));
    assert_eq!(values, expected);
    kafka.delete_records("smoke", 0, 400);
    assert_eq!(kafka.log_range("smoke", 0), (400, 1000));
    kafka.delete_topic("smoke");
}

#[test]
fn a_group_is_committed_read_and_forgotten() {
    let kafka = Kafka::shared();
    kafka.create_topic("smoke_group", 1, &[("retention.ms", "-1")]);
    kafka.produce("smoke_group", 0, ["x", "y"]);
    assert_eq!(kafka.committed("smokers", "smoke_group", 0), None);

    kafka.commit("smokers", "smoke_group", 0, 1);
    assert_eq!(kafka.committed("smokers", "smoke_group", 0), Some((1, String::new())));

    kafka.delete_group("smokers");
    assert_eq!(kafka.committed("smokers", "smoke_group", 0), None);
}

#[test]
fn a_killed_broker_keeps_its_records_and_a_dropped_one_leaves_nothing() {
    let kafka = Kafka::start();
    kafka.create_topic("kept", 1, &[]);
    kafka.produce("kept", 0, ["1", "2", "3"]);

    kafka.kill();
    kafka.restart();

    assert_eq!(kafka.consume("kept").len(), 3);
    let (pid, folder) = kafka.process();
    assert!(folder.exists());
    drop(kafka);
    assert!(!harness::is_alive(pid), "the broker outlived its owner");
    assert!(!folder.exists(), "{} stayed behind", folder.display());
}

#[tokio::test]
async fn objects_come_back_from_s3_and_only_one_creator_wins() {
    let s3 = S3::shared();
    let store = AmazonS3Builder::new()
        .with_endpoint(s3.endpoint())
        .with_bucket_name(s3.bucket)
        .with_region(s3.region)
        .with_access_key_id(s3.access_key_id)
        .with_secret_access_key(s3.secret_access_key)
        .with_allow_http(true)
        .build()
        .expect("the settings are right");
    let key = ObjectPath::parse("smoke/dt=2013-01-01/1_0_00000000000000000000.gz").expect("a key");

    store.put_opts(&key, "first".into(), PutMode::Create.into()).await.expect("the key is free");
    let second = store.put_opts(&key, "second".into(), PutMode::Create.into()).await;

    assert!(matches!(second, Err(object_store::Error::AlreadyExists { .. })), "{second:?}");
    let bytes = store.get(&key).await.expect("it is there").bytes().await.expect("it can be read");
    assert_eq!(&bytes[..], b"first");
    let file = s3.dir().join(key.as_ref());
    assert_eq!(std::fs::read(file).expect("an object is a file"), b"first");
}

#[test]
fn the_flights_are_all_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let counts = folder.path().join("counts");
    let counts_text = counts.to_str().expect("an ordinary path");

    let events = python("lab/flights.py", &["--limit", "2000", "--counts", counts_text]);

    assert_eq!(events.lines().count(), 2000);
    let first: serde_json::Value = serde_json::from_str(events.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["meta"]["ts"], 1_357_034_400_000_i64);
    let counts = std::fs::read_to_string(counts).expect("it was written");
    let total: u64 = counts.lines().filter_map(|line| line.split('\t').nth(1)?.parse::<u64>().ok()).sum();
    assert_eq!(total, 2000);
}

#[test]
fn hadoop_reads_sequence_files() {
    // the header of an empty, uncompressed SequenceFile of LongWritable to BytesWritable, and a sync marker
    let mut file = b"SEQ\x06".to_vec();
    for class in ["org.apache.hadoop.io.LongWritable", "org.apache.hadoop.io.BytesWritable"] {
        file.push(u8::try_from(class.len()).expect("short"));
        file.extend_from_slice(class.as_bytes());
    }
    file.extend_from_slice(&[0, 0, 0, 0, 0, 0]); // not compressed, not in blocks, no metadata
    file.extend_from_slice(&[7; 16]);
    // one record: length of record, of key, key 42, value of one byte
    file.extend_from_slice(&[0, 0, 0, 13, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 1, b'v']);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("file.seq");
    std::fs::write(&path, file).expect("the folder is ours");

    let read = java("lab/ReadSequence.java", &[path.to_str().expect("an ordinary path")]);

    let header = "# org.apache.hadoop.io.LongWritable org.apache.hadoop.io.BytesWritable none";
    assert_eq!(read, format!("{header}\n42\tdg==\n"));
}

#[test]
fn the_binary_is_run_with_its_configuration() {
    let secor = Secor::new(|folder| format!("# in {}\n", folder.display()));
    assert!(secor.config_file().exists());

    secor.run(&["--version"]).expect_code(0);
}

#[test]
fn waiting_ends_with_the_value_or_says_what_was_waited_for() {
    let mut looks = 0;
    let found = eventually(Duration::from_secs(5), "the third look", || {
        looks += 1;
        (looks == 3).then_some(looks)
    });
    assert_eq!(found, 3);

    let waited = std::panic::catch_unwind(|| eventually(Duration::ZERO, "godot", || None::<()>));
    let message = waited.expect_err("nothing comes").downcast::<String>().expect("a formatted message");
    assert!(message.contains("in vain for godot"), "{message}");
}

/// A client that is not told keeps the connection and sends its next request into a closed one: a reset that no weather
/// ordered.
#[test]
fn a_gate_says_that_its_connections_end_even_if_the_server_behind_it_does_not() {
    let server = Listener::start(|mut client| {
        let head = BufReader::new(&client).lines().map_while(Result::ok);
        let words = head.take_while(|line| !line.is_empty()).count();
        assert!(words > 1, "a request line and a header");
        client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    });
    let gate = Gate::start(&server.endpoint());
    let address = gate.endpoint().replace("http://", "");
    let mut client = TcpStream::connect(address).expect("the gate listens");
    client.write_all(b"GET /x HTTP/1.1\r\nHost: gate\r\n\r\n").expect("sent");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("answered");
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
}
