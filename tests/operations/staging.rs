//! The staging folder: swept of what dead processes left, shared by processes of one configuration, and full.

use std::fs;
use std::process::Command;

use super::harness::{Admin, PATIENCE, S3, Setup, expect_verified, patient_kafka, watch};
use super::{produce_in_folders, values};

#[test]
fn two_processes_run_from_one_configuration_file() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "one_file");
    kafka.create_topic(name, 4, &[]);
    for partition in 0..4 {
        kafka.produce(name, partition, values(i64::from(partition) * 2_000..i64::from(partition + 1) * 2_000));
    }
    let setup = Setup::new(kafka, s3, name).archive("flush = { max_records = 300 }");
    let setup = setup.limits("records_per_second = 1000");
    let secor = setup.secor();

    let mut processes = [secor.start(&["run"]), secor.start(&["run"])];
    let admins = processes.each_mut().map(Admin::of);

    assert_ne!(admins[0].address, admins[1].address);
    let folders = fs::read_dir(secor.folder().join("staging")).unwrap().count();
    assert_eq!(folders, 2, "a staging folder each");
    let archive = setup.files();
    for (process, admin) in processes.iter_mut().zip(admins) {
        watch(process, "batches of both", || (admin.metric("secor_batches_total") > 0.0).then_some(()));
    }
    for mut process in processes {
        process.term();
        process.wait(PATIENCE).expect_code(0);
    }
    Setup::new(kafka, s3, name).apply(&secor);
    secor.run_within(PATIENCE, &["run", "--until-end"]).expect_code(0);
    archive.expect_each_once(8_000);
    expect_verified(&secor);
}

#[test]
fn what_a_killed_process_left_is_swept() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "swept");
    kafka.create_topic(name, 1, &[]);
    kafka.produce(name, 0, values(0..10));
    let secor = Setup::new(kafka, s3, name).secor();
    let mut killed = secor.start(&["run"]);
    Admin::of(&mut killed);
    killed.kill();
    let staging = secor.folder().join("staging");
    let left: Vec<_> = fs::read_dir(&staging).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    fs::write(left[0].join("left-behind"), "spilled").unwrap();

    secor.run(&["run", "--until-end"]).expect_code(0);

    assert!(!left[0].exists(), "{} is still there", left[0].display());
}

/// Needs the right to mount; where it is missing, `limits.disk` is all there is to test (`limits.rs`).
#[test]
fn a_full_staging_disk_is_survived() {
    let (kafka, s3, name) = (patient_kafka(), S3::shared(), "full_disk");
    let limits = "memory = \"16MiB\"\ndisk = \"1GiB\"";
    let archive = r#"input = { format = "json" }
output_partitions = ["folder={field:folder}"]
output = { format = "text", compression = "none" }
flush = { max_age = "1h" }"#;
    let setup = Setup::new(kafka, s3, name).limits(limits).archive(archive);
    let secor = setup.secor();
    let staging = secor.folder().join("staging");
    fs::create_dir(&staging).unwrap();
    let Some(_mounted) = Mounted::tmpfs(&staging, "size=4m") else {
        println!("no right to mount: nothing is tested here");
        return;
    };
    kafka.create_topic(name, 1, &[]);
    produce_in_folders(kafka, name, 0..200_000, 50);

    let finished = secor.run_within(PATIENCE, &["run", "--until-end"]).expect_code(0);

    let full = finished.stderr.contains("the staging disk is full");
    let reasons = setup.files().reasons(0);
    assert!(full && reasons.iter().any(|reason| reason == "disk"), "{reasons:?}\n{}", finished.stderr);
    setup.files().expect_each_once(200_000);
    expect_verified(&secor);
}

/// A file system that is unmounted when this is dropped.
struct Mounted(std::path::PathBuf);

// === impl Mounted ===

impl Mounted {
    fn tmpfs(at: &std::path::Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).output());
    }
}
