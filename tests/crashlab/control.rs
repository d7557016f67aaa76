//! The negative control: an archiver as one writes it in an hour, without a ledger, in the same laboratory. If its
//! losses and repetitions were not found, the laboratory would prove nothing.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::cluster::{Cluster, committed};
use super::harness::S3;
use super::referee::{self, Count};
use super::runner::Outcome;
use super::source::{Load, Source};

/// What the archiver does first with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// At least once.
    Write,
    /// At most once.
    Commit,
}

const BATCH_RECORDS: usize = 100;

/// Plays the control: what must be found is found, or that is the finding.
pub fn run(cluster: &Cluster, s3: &S3, first: First) -> Outcome {
    let began = std::time::Instant::now();
    let count = archive_plainly(cluster, s3, first);
    let (what, found) = match first {
        First::Write => ("repetitions", count.repeated > 0 && count.lost == 0),
        First::Commit => ("losses", count.lost > 0 && count.repeated == 0),
    };
    Outcome {
        name: String::new(),
        kills: 1,
        seconds: began.elapsed().as_secs(),
        remark: format!("an archiver without a ledger: its {what} are found"),
        finding: (!found).then(|| format!("the {what} of a plain archiver were not found: {count:?}")),
        count,
        ..Outcome::default()
    }
}

/// Archives a topic plainly; the first process dies between the two steps of a batch, the second goes on to the end.
fn archive_plainly(cluster: &Cluster, s3: &S3, first: First) -> Count {
    let name = format!("control.{first:?}").to_lowercase();
    cluster.create_topic(&name, 1);
    let source =
        Source::start(cluster, Load { topic: name.clone(), partitions: 1, records_per_second: 2_000, noise_bytes: 10 });
    super::harness::eventually(Duration::from_secs(60), "a thousand records", || {
        (source.acked() > 1_000).then_some(())
    });
    let ids = source.stop();
    let folder = s3.dir().join(&name);
    for process in 0..2 {
        plain_process(cluster, &name, &folder.join(&name), first, process);
    }
    let count = referee::count(&folder, &name, &ids);
    cluster.delete_topic(&name);
    count
}

/// From the committed offset on; process 0 dies in its third batch.
fn plain_process(cluster: &Cluster, name: &str, folder: &Path, first: First, process: usize) {
    fs::create_dir_all(folder).expect("the bucket is ours");
    let client = cluster.client(&[("group.id", name), ("enable.partition.eof", "true")]);
    let begin = committed(&client, name, 1).expect("the coordinator answers").remove(0).map_or(0, |(offset, _)| offset);
    let at = |offset| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(name, 0, Offset::Offset(offset)).expect("an offset of one's own");
        list
    };
    client.assign(&at(begin)).expect("the partition exists");
    for batch in 0.. {
        let (mut lines, mut end) = (Vec::new(), None);
        while lines.len() < BATCH_RECORDS {
            match client.poll(Duration::from_secs(10)) {
                Some(Ok(record)) => {
                    lines.push(record.payload().expect("a value").to_vec());
                    end = Some(record.offset() + 1);
                }
                // the end of the log
                Some(Err(_)) | None => break,
            }
        }
        let Some(end) = end else { return };
        let write = || {
            let mut file = fs::File::create(folder.join(format!("{process}_0_{batch}"))).expect("the bucket is ours");
            lines.iter().for_each(|line| writeln!(file, "{}", String::from_utf8_lossy(line)).expect("room"));
        };
        let commit = || client.commit(&at(end), CommitMode::Sync).expect("the group is empty");
        let dies = process == 0 && batch == 2;
        match first {
            First::Write => {
                write();
                if dies {
                    return;
                }
                commit();
            }
            First::Commit => {
                commit();
                if dies {
                    return;
                }
                write();
            }
        }
    }
}
