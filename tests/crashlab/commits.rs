//! Named cases: somebody who does not own a partition commits its offset, and the broker accepts it over the owner's.
//!
//! Real brokers do that, in every protocol: the commit is checked against the group's members, not against who has the
//! partition. So the committed offset goes backward, with metadata that looks like ours, while the owner archives; then
//! all processes die, and the next ones begin from it. The archive must be exact all the same.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::cluster::{Cluster, committed};
use super::harness::{S3, eventually};
use super::matrix::Membership;
use super::members::{Member, Site};
use super::referee::{self, Count};
use super::register::Register;
use super::runner::{ARCHIVE, Outcome, PARTITIONS, PATIENCE, Story, judge};
use super::source::{Load, Source};

/// Who commits for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committer {
    /// A member that subscribes to another topic and never owned anything of this one.
    Alive,
    /// A process of its own that owned partitions, hung past its session in SIGSTOP, and goes on.
    Resumed,
}

/// The argument with which the test's own program becomes the committer that is stopped and resumed.
pub const ARGUMENT: &str = "--committer";

/// Plays the case.
pub fn run(cluster: &Cluster, s3: &S3, membership: Membership, committer: Committer) -> Outcome {
    let who = if committer == Committer::Alive { "non-owner-commits" } else { "resumed-process-commits" };
    let name = format!("{who}/{membership}");
    let topic = name.replace('/', ".");
    let site = Site { cluster, s3, name: topic, membership, limits: "", archive: ARCHIVE };
    judge(&name, &site, || play(&site, committer))
}

fn play(site: &Site<'_>, committer: Committer) -> (Count, Story) {
    let (cluster, name) = (site.cluster, &site.name);
    cluster.create_topic(name, PARTITIONS);
    let load = Load { topic: name.clone(), partitions: PARTITIONS, records_per_second: 400, noise_bytes: 50 };
    let source = Source::start(cluster, load);
    let register = Register::watch(cluster, name, PARTITIONS);
    let mut members = [0, 1].map(|instance| site.member(instance, &site.s3.endpoint()));
    members.iter_mut().for_each(|member| member.start(""));
    let grown = |batches: i64| {
        let ends = site.files().ends(PARTITIONS);
        ends.iter().all(|end| *end >= batches * 120).then_some(())
    };
    eventually(PATIENCE, "three batches of each partition", || grown(3));

    let remark = match committer {
        Committer::Alive => commit_as_non_owner(site),
        Committer::Resumed => commit_when_resumed(site),
    };
    // whoever starts now finds the offsets of somebody else
    members.iter_mut().for_each(Member::kill);
    members.iter_mut().for_each(|member| member.start(""));
    let ends = site.files().ends(PARTITIONS);
    let all_grew = || site.files().ends(PARTITIONS).iter().zip(&ends).all(|(now, then)| now > then).then_some(());
    eventually(PATIENCE, "the archive to go on", all_grew);

    let ids = source.stop();
    members.iter_mut().for_each(|member| member.leave(PATIENCE));
    let codes: Vec<_> = members.iter().flat_map(Member::unexpected_codes).collect();
    assert!(codes.is_empty(), "exit codes {codes:?}");
    referee::finish(site, PATIENCE);
    let count = referee::count(&site.folder(), name, &ids);
    let disagreement = referee::verify(site, PATIENCE);
    let went_back = register.went_back();
    (
        count,
        Story {
            kills: 2,
            stops: u32::from(committer == Committer::Resumed),
            went_back,
            remark,
            disagreement,
            ..Story::default()
        },
    )
}

/// Joins the group for another topic; says what the broker let it do.
fn commit_as_non_owner(site: &Site<'_>) -> String {
    let (cluster, name) = (site.cluster, &site.name);
    let other = format!("{name}.other");
    cluster.create_topic(&other, 1);
    let client = member(cluster, name, site.membership, &other);
    eventually(PATIENCE, "the committer to join", || {
        client.poll(Duration::ZERO);
        client.assignment().is_ok_and(|assignment| assignment.count() == 1).then_some(())
    });
    // what Secor itself committed a while ago, word for word: as convincing as a stale commit can be
    let mine = || committed(&client, name, PARTITIONS)?.remove(0);
    let (stale, words) = eventually(PATIENCE, "a first commit", mine);
    let mut accepted = None;
    eventually(PATIENCE, "a commit that goes backward", || {
        client.poll(Duration::ZERO);
        let (before, _) = mine().filter(|(offset, _)| *offset > stale)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(name, 0, Offset::Offset(stale)).expect("an offset of one's own");
        list.find_partition(name, 0).expect("just added").set_metadata(&words);
        client.commit(&list, CommitMode::Sync).ok()?;
        let (after, _) = mine()?;
        accepted = (after == stale).then_some((before, after));
        accepted
    });
    let (before, after) = accepted.expect("it was waited for");
    // beyond the log's end as well, with words of nobody
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(name, 1, Offset::Offset(1_000_000_000)).expect("an offset of one's own");
    let beyond = eventually(PATIENCE, "a commit beyond the end", || {
        client.poll(Duration::ZERO);
        client.commit(&list, CommitMode::Sync).ok()?;
        committed(&client, name, PARTITIONS)?.remove(1).map(|(offset, _)| offset)
    });
    cluster.delete_topic(&other);
    format!("a member without the partition set its offset back from {before} to {after}; another to {beyond}")
}

/// Stops the committer's process past its session and resumes it; says what the broker let it do then.
fn commit_when_resumed(site: &Site<'_>) -> String {
    let (cluster, name) = (site.cluster, &site.name);
    let mut committer = Resumed::start(cluster, name, site.membership);
    committer.wait_for("joined");
    super::harness::send(committer.pid(), libc::SIGSTOP);
    let own_session = Instant::now();
    // the others have everything again when commits of all partitions go on without it
    let before = site.files().ends(PARTITIONS);
    let all_grew = || site.files().ends(PARTITIONS).iter().zip(&before).all(|(now, then)| now > then).then_some(());
    eventually(PATIENCE, "the others to archive everything", all_grew);
    let stopped = own_session.elapsed().as_secs();
    super::harness::send(committer.pid(), libc::SIGCONT);
    let accepted = committer.wait_for("accepted");
    let refused = committer.lines.iter().filter(|line| line.starts_with("refused")).count();
    format!("resumed after {stopped} s, {refused} commits refused, then {accepted}")
}

/// The committer as a process.
struct Resumed {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    lines: Vec<String>,
}

// === impl Resumed ===

impl Resumed {
    fn start(cluster: &Cluster, name: &str, membership: Membership) -> Self {
        let program = std::env::current_exe().expect("a program has a file");
        let mut command = Command::new(program);
        command.args([ARGUMENT, cluster.bootstrap(), name, &membership.to_string()]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it is our own program");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, out, lines: Vec::new() }
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }

    /// Reads until a line that begins so; the committer ends by itself if there is none.
    fn wait_for(&mut self, word: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.out.read_line(&mut line).expect("it prints UTF-8");
            assert!(read > 0, "the committer never said `{word}`: {:?}", self.lines);
            self.lines.push(line.trim().to_owned());
            if line.starts_with(word) {
                return line.trim().to_owned();
            }
        }
    }
}

impl Drop for Resumed {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The committer's own main: joins, hangs, and after it has hung commits offset 1 of a partition that it does not have.
pub fn commit_after_a_pause(arguments: &[String]) {
    let [brokers, name, membership] = arguments else { panic!("brokers, group and membership") };
    let membership = super::matrix::MEMBERSHIPS.iter().find(|(_, word)| word == membership).expect("a membership").0;
    let client = configured(super::cluster::config(brokers, &[]), name, membership, name);
    let (began, mut seen, mut resumed) = (Instant::now(), Instant::now(), None);
    let mut joined = false;
    while began.elapsed() < 2 * PATIENCE {
        if seen.elapsed() > Duration::from_secs(2) {
            resumed = Some(Instant::now());
        }
        seen = Instant::now();
        client.poll(Duration::from_millis(20));
        let mine: Vec<_> =
            client.assignment().map(|list| list.to_topic_map().into_keys().collect()).unwrap_or_default();
        let mine: Vec<i32> = mine.into_iter().map(|(_, partition)| partition).collect();
        if !joined && !mine.is_empty() {
            joined = true;
            println!("joined {mine:?}");
        }
        let Some(since) = resumed else { continue };
        let Some(partition) = (0..PARTITIONS).find(|partition| !mine.contains(partition)) else { continue };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(name, partition, Offset::Offset(1)).expect("an offset of one's own");
        let milliseconds = since.elapsed().as_millis();
        match client.commit(&list, CommitMode::Sync) {
            Ok(()) => {
                println!("accepted after {milliseconds} ms for partition {partition} while it had {mine:?}");
                return;
            }
            Err(error) => println!("refused {milliseconds} {error}"),
        }
        seen = Instant::now(); // a commit may block for long, and that is no pause
    }
}

/// A member of the group that reads a topic and commits nothing by itself.
fn member(cluster: &Cluster, group: &str, membership: Membership, topic: &str) -> BaseConsumer {
    configured(cluster.config(&[]), group, membership, topic)
}

fn configured(mut config: rdkafka::ClientConfig, group: &str, membership: Membership, topic: &str) -> BaseConsumer {
    config.set("group.id", group).set("enable.auto.commit", "false");
    // the same lines that a process has in its configuration
    for line in membership.properties(9).lines() {
        let (name, value) = line.split_once(" = ").expect("a line of TOML");
        config.set(name.trim_matches('"'), value.trim_matches('"'));
    }
    let client: BaseConsumer = config.create().expect("the settings are right");
    client.subscribe(&[topic]).expect("a subscription");
    client
}
