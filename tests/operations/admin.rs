//! The admin page: it answers, needs a token for a flush, and takes the next port when its own is taken.

use std::net::{Ipv4Addr, TcpListener};

use super::harness::{Admin, S3, Setup, patient_kafka, watch};
use super::values;

const ARCHIVE: &str = r#"output = { format = "text" }
flush = { max_age = "1h" }"#;

#[test]
fn a_flush_needs_the_token_and_cuts_with_its_own_reason() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "flushed");
    kafka.create_topic(name, 2, &[]);
    kafka.produce(name, 0, values(0..100));
    kafka.produce(name, 1, values(100..250));
    let setup = Setup::new(kafka, s3, name).archive(ARCHIVE);
    let secor = setup.secor();
    let mut process = secor.start(&["run"]);
    let admin = Admin::of(&mut process);
    watch(&mut process, "open batches", || (admin.sum("open_records") == 250).then_some(()));

    assert_eq!(admin.get("/health").0, 200);
    watch(&mut process, "ready", || (admin.get("/ready").0 == 200).then_some(()));
    assert!(admin.metric("secor_open_writers") >= 0.0);
    assert_eq!(admin.ask("POST", "/api/flush", "Content-Length: 0\r\n").0, 401, "without a token");
    let wrong = "Authorization: Bearer opem\r\nContent-Length: 0\r\n";
    assert_eq!(admin.ask("POST", "/api/flush", wrong).0, 401, "with a wrong token");
    let archive = setup.files();
    assert_eq!(archive.ends(2), [0, 0], "something was cut without the token");

    let right = "Authorization: Bearer open\r\nContent-Length: 0\r\n";
    assert_eq!(admin.ask("POST", &format!("/api/flush?topic={name}&partition=1"), right).0, 202);
    watch(&mut process, "batch of partition 1", || (archive.ends(2) == [0, 150]).then_some(()));
    assert_eq!(admin.ask("POST", "/api/flush", right).0, 202);
    watch(&mut process, "all batches", || (archive.ends(2) == [100, 150]).then_some(()));
    watch(&mut process, "all commits", || (admin.sum("lag") == 0 && admin.sum("batches") == 2).then_some(()));
    assert_eq!((archive.reasons(0), archive.reasons(1)), (vec!["admin".to_owned()], vec!["admin".to_owned()]));
    assert_eq!(admin.metric("secor_batches_total"), 2.0);
    archive.expect_each_once(250);
}

#[test]
fn without_a_token_in_the_configuration_nothing_can_be_written_and_a_taken_port_is_left_alone() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "no_token");
    kafka.create_topic(name, 1, &[]);
    let secor = Setup::new(kafka, s3, name).archive(ARCHIVE).secor();
    let text = std::fs::read_to_string(secor.config_file()).unwrap();
    let port: u16 = text.split_once("listen = \"127.0.0.1:").unwrap().1.split('"').next().unwrap().parse().unwrap();
    secor.configure(&text.replace("token = \"open\"\n", ""));
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();

    let mut process = secor.start(&["run"]);

    let admin = Admin::of(&mut process);
    assert!(admin.address.port() > port, "{} although {port} is taken", admin.address);
    let any = "Authorization: Bearer open\r\nContent-Length: 0\r\n";
    assert_eq!(admin.ask("POST", "/api/flush", any).0, 403);
    assert_eq!(admin.get("/health").0, 200);
}
