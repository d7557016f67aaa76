//! Goal: what the conformance suite is too quick for: an object of a gibibyte in bounded memory, and a real server that is
//! not fit for a ledger.
//! Method: the peak of this process's memory over an upload and a download; the probe against s3s-fs, whose
//! create-if-absent looks first and writes then (49 of 50 races have several winners).

mod harness;

use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use futures::TryStreamExt;
use harness::{PATIENCE, S3, Server, free_port};
use secor::store::{
    Attributes, Create, ProbeFailure, S3Settings, Secret, StagedFile, Store, StoreSettings, open, probe,
};

const GIBIBYTE: u64 = 1 << 30;
/// Above what the process needs for itself.
const MEMORY_KIB_MAX: u64 = 96 << 10;

fn s3(endpoint: String, name: &str) -> StoreSettings {
    StoreSettings {
        s3: S3Settings {
            endpoint: Some(endpoint),
            region: Some("us-east-1".to_owned()),
            access_key_id: Some("lab".to_owned()),
            secret_access_key: Some(Secret::new("lab-secret")),
            allow_http: true,
            ..S3Settings::default()
        },
        ..StoreSettings::at(format!("s3://archive/{name}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_goes_in_and_comes_out_in_bounded_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let there = tempfile::tempdir().expect("a folder");
    let stores = [StoreSettings::at(format!("file://{}", there.path().display())), s3(S3::shared().endpoint(), "big")];
    for settings in stores {
        let path = folder.path().join("staged");
        let file = std::fs::File::create(&path).expect("writable");
        file.set_len(GIBIBYTE).expect("sparse files are possible");
        let staged = StagedFile { path, len: GIBIBYTE, digest: None };
        forget_peak();
        let before = peak_kib();
        let store: Arc<dyn Store> = open(&settings).expect("good settings");
        let created = store.create("big", staged.into(), &Attributes::default()).await.expect("free");
        assert!(matches!(created, Create::Created(ref info) if info.size == GIBIBYTE), "{created:?}");
        let stream = store.read("big").await.expect("readable").expect("there");
        let read = stream.try_fold(0, async |sum, piece| Ok(sum + piece.len() as u64)).await.expect("whole");
        assert_eq!(read, GIBIBYTE);
        let grown = peak_kib() - before;
        println!("{}: {grown} KiB above {before}", settings.url);
        assert!(grown < MEMORY_KIB_MAX, "{}: {grown} KiB", settings.url);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_looks_before_it_writes_is_refused() {
    let (server, port) = (0..5)
        .find_map(|_| {
            let port = free_port();
            let server = Server::new("s3s", "s3s.sh", &[port.to_string()]);
            let answers = |_: &str| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
            server.start(PATIENCE, answers).is_ok().then_some((server, port))
        })
        .expect("s3s-fs starts (tests/lab/install.sh s3s?)");
    let store = open(&s3(format!("http://127.0.0.1:{port}"), "probe")).expect("good settings");
    let failure = probe(&*store).await.expect_err("several creators win");
    assert!(matches!(failure, ProbeFailure::NotExclusive { winners: 2.., .. }), "{failure:?}");
    assert!(failure.hint().contains("ledger.type = \"sql\""), "{}", failure.hint());
    drop(server);
}

/// The most memory that this process has had since [`forget_peak`], in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("a process may do this to itself");
}
