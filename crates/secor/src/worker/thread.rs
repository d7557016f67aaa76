//! The pool: a fixed number of threads, and the loop of each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use secor_core::ids::TopicPartition;
use secor_core::partition::Event;

use super::budget::Pressure;
use super::lane::{Codecs, Context, Lane};
use super::staging::Staging;
use super::{Address, Message, Outside};

/// How often machines hear of the clock.
const TICK: Duration = Duration::from_millis(200);

/// The threads. Dropping the pool ends them once their queues are empty.
#[derive(Debug)]
pub struct Pool {
    queues: Vec<Sender<Message>>,
    threads: Vec<JoinHandle<()>>,
}

// === impl Pool ===

impl Pool {
    /// Starts `threads` threads (at least one). A panic in one of them must end the process: the topic partitions of a
    /// dead worker would stand still.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start(threads: usize, staging: &Arc<Staging>, outside: &Arc<dyn Outside>) -> std::io::Result<Self> {
        let mut pool = Self { queues: Vec::new(), threads: Vec::new() };
        for n in 0..threads.max(1) {
            let (queue, messages) = channel();
            let (staging, outside) = (Arc::clone(staging), Arc::clone(outside));
            let body = move || Worker::new(&staging, &*outside).run(&messages);
            pool.queues.push(queue);
            pool.threads.push(std::thread::Builder::new().name(format!("worker-{n}")).spawn(body)?);
        }
        Ok(pool)
    }

    #[must_use]
    pub fn queues(&self) -> Vec<Sender<Message>> {
        self.queues.clone()
    }

    /// Waits for the threads; the clones of [`Pool::queues`] must be gone.
    pub fn join(mut self) {
        self.queues.clear();
        for thread in self.threads.drain(..) {
            thread.join().expect("a worker that panics ends the process");
        }
    }
}

struct Worker<'a> {
    staging: &'a Arc<Staging>,
    outside: &'a dyn Outside,
    lanes: BTreeMap<TopicPartition, Lane>,
    codecs: Codecs,
    scratch: Vec<u8>,
}

// === impl Worker ===

impl<'a> Worker<'a> {
    fn new(staging: &'a Arc<Staging>, outside: &'a dyn Outside) -> Self {
        Self { staging, outside, lanes: BTreeMap::new(), codecs: Codecs::default(), scratch: Vec::new() }
    }

    fn run(&mut self, messages: &Receiver<Message>) {
        let mut tick_at = Instant::now() + TICK;
        loop {
            match messages.recv_timeout(tick_at.saturating_duration_since(Instant::now())) {
                Ok(message) => {
                    self.handle(message);
                    self.relieve();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() >= tick_at {
                self.each(|lane, cx| {
                    lane.event(Event::Tick, cx);
                    lane.drain(cx);
                    lane.report(cx);
                });
                self.relieve();
                tick_at = Instant::now() + TICK;
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Assign(assignment) => {
                let tp = assignment.settings.topic_partition.clone();
                let mut cx = context(self.staging, self.outside, &mut self.codecs, &mut self.scratch);
                let lane = Lane::new(*assignment, &mut cx);
                self.lanes.insert(tp, lane);
            }
            Message::Records(fetched) => {
                let tp = fetched.slice.topic_partition().clone();
                self.with(&tp, |lane, cx| lane.records(fetched, cx));
            }
            Message::Position { topic_partition, position } => {
                self.with(&topic_partition, |lane, cx| lane.position(position, cx));
            }
            Message::Fetching { to, fetch } => self.at(&to, |lane, _| lane.fetching(fetch)),
            Message::Answer { to, id, answer } => self.tell(&to, Event::Answer(id, answer)),
            Message::Replay { to, id, plan } => self.at(&to, |lane, cx| lane.replay(id, *plan, cx)),
            Message::Schema { to, schema } => self.at(&to, |lane, cx| lane.learn(&schema, cx)),
            Message::OutOfRange { to, log } => self.tell(&to, Event::OutOfRange(log)),
            Message::Refuse { to, refusal } => self.tell(&to, Event::Refuse(refusal)),
            Message::Leave { to, reason } => self.tell(&to, Event::Leave(reason)),
            Message::Lost { to } => self.tell(&to, Event::Lost),
            Message::Cut { topic_partition: Some(tp), reason } => {
                self.with(&tp, |lane, cx| lane.event(Event::Cut(reason), cx));
            }
            Message::Cut { topic_partition: None, reason } => self.each(|lane, cx| lane.event(Event::Cut(reason), cx)),
        }
    }

    fn tell(&mut self, to: &Address, event: Event) {
        self.at(to, |lane, cx| {
            lane.event(event, cx);
            lane.drain(cx);
        });
    }

    /// Of an epoch that is over, nothing is done.
    fn at(&mut self, to: &Address, act: impl FnOnce(&mut Lane, &mut Context<'_>)) {
        if self.lanes.get(&to.topic_partition).is_some_and(|lane| lane.address() == to) {
            self.with(&to.topic_partition, act);
        }
    }

    fn with(&mut self, tp: &TopicPartition, act: impl FnOnce(&mut Lane, &mut Context<'_>)) {
        let Some(lane) = self.lanes.get_mut(tp) else {
            return;
        };
        act(lane, &mut context(self.staging, self.outside, &mut self.codecs, &mut self.scratch));
        if lane.released() {
            self.lanes.remove(tp);
        }
    }

    fn each(&mut self, act: impl Fn(&mut Lane, &mut Context<'_>)) {
        let mut cx = context(self.staging, self.outside, &mut self.codecs, &mut self.scratch);
        self.lanes.values_mut().for_each(|lane| act(lane, &mut cx));
        self.lanes.retain(|_, lane| !lane.released());
    }

    /// Keeps the bounds: memory goes to disk first; then the fattest batch of this thread is cut.
    fn relieve(&mut self) {
        if self.staging.budget().pressure() == Pressure::None {
            return;
        }
        self.each(Lane::relieve);
        let Pressure::Cut(reason) = self.staging.budget().pressure() else {
            return;
        };
        let fattest = self.lanes.iter().map(|(tp, lane)| (lane.weight(), tp)).max();
        if let Some((1.., tp)) = fattest {
            let tp = tp.clone();
            self.with(&tp, |lane, cx| {
                lane.event(Event::Cut(reason), cx);
                lane.drain(cx);
            });
        }
    }
}

fn context<'c>(
    staging: &'c Arc<Staging>,
    outside: &'c dyn Outside,
    codecs: &'c mut Codecs,
    scratch: &'c mut Vec<u8>,
) -> Context<'c> {
    Context { outside, staging, codecs, scratch }
}
