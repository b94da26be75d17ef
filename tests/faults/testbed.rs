//! The environment of one kind of fault: its own topics, database and checkpoint directory, the program, and the load
//! on it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::postgres::{connect, execute};
use harness::{Dice, Services, wait_for, wait_until};
use tempfile::TempDir;

use crate::SOON;
use crate::as_of_monitor::AsOfMonitor;
use crate::expected_lists::ExpectedLists;
use crate::load::{self, Load, LoadTarget, pause};
use crate::options::{PROCESSES, TestbedOptions};
use crate::resumed::{self, Retained};
use crate::running_program::{Launcher, RunningProgram};
use crate::topic_contents::TopicContents;

/// The lists must be what they should be this soon after the last change.
const SETTLED_MAX: Duration = Duration::from_secs(90);
/// When it takes longer until the program is ready, it is told what it waited for.
const SLOW: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(50);

/// How long a broker may keep back what it has acknowledged before more is written.
const HELD_BACK_MAX: Duration = Duration::from_secs(3);
/// The program is started with each of these in turn.
const WORKERS: [usize; 3] = [1, 2, 4];
/// The workers of each process of a cluster.
const CLUSTER_WORKERS: usize = 2;
const PARTITIONS: i32 = 3;
const MILLIS: usize = 1000;

/// Everything about one kind of fault.
pub(crate) struct Testbed {
    pub(crate) start: Launcher,
    pub(crate) program: RunningProgram,
    pub(crate) topic_contents: TopicContents,
    pub(crate) load: Load,
    pub(crate) rng: Dice,
    /// Topics of views and of removals.
    pub(crate) topics: [String; 2],
    pub(crate) database: String,
    /// What the faults leave of checkpoints and slot.
    pub(crate) kept: Retained,
    /// The beginning of the ids of orders that must not count, whose rows may become dead letters.
    pub(crate) left_out: Option<&'static str>,
    /// The newest checkpoint that was there when what runs was started.
    newest: Option<u64>,
    letters: String,
    /// One for each process.
    watches: Vec<AsOfMonitor>,
    starts: usize,
    dir: TempDir,
}

impl Testbed {
    /// Makes all that, and waits until the program is ready. `name` is part of the topics' and the database's names.
    pub(crate) fn open(services: &Services, name: &str) -> Testbed {
        Testbed::open_on(services, name, TestbedOptions::default())
    }

    /// As [`Testbed::open`], with variables for the program's environment.
    pub(crate) fn open_with(services: &Services, name: &str, environment: Vec<(String, String)>) -> Testbed {
        Testbed::open_on(services, name, TestbedOptions { environment, ..TestbedOptions::default() })
    }

    /// As [`Testbed::open`], with a cluster under its supervisor.
    pub(crate) fn open_cluster(services: &Services, name: &str) -> Testbed {
        Testbed::open_on(services, name, TestbedOptions { processes: PROCESSES, ..TestbedOptions::default() })
    }

    /// As [`Testbed::open`], with options.
    pub(crate) fn open_on(services: &Services, name: &str, options: TestbedOptions) -> Testbed {
        let dir = TempDir::with_prefix("vitrine-faults-").expect("a temporary directory");
        let topics = [format!("views-{name}"), format!("removals-{name}")];
        let letters = format!("letters-{name}");
        for topic in topics.iter().chain([&letters]) {
            services.kafka.create_topic(topic, PARTITIONS);
        }
        let database = options.database.clone().unwrap_or_else(|| services.postgres.create_database(name));
        execute(&database, &options.schema);
        let (brokers, [views, removals]) = (services.kafka.bootstrap(), &topics);
        let (slot, mode, url) = (name.replace('-', "_"), options.mode, options.url.as_ref().unwrap_or(&database));
        let checkpoints = dir.path().join("checkpoints");
        std::fs::create_dir(&checkpoints).expect("a directory is made");
        let settings = format!(
            "[server]\nwait_ms_max = 60000\n\
             [kafka]\nbrokers = \"{brokers}\"\nviews = [\"{views}\"]\nremovals = \"{removals}\"\n\
             dead_letters = \"{letters}\"\ndiscovery_s = 1\n\
             [kafka.client]\n\"reconnect.backoff.max.ms\" = \"500\"\n\
             [postgres]\nurl = \"{url}\"\nmode = \"{mode}\"\nslot = \"{slot}\"\npublication = \"{slot}\"\n\
             refresh_s = 1\n{}\
             [checkpoint]\ndir = {checkpoints:?}\nevery_s = 1\n",
            options.postgres
        );
        let mut start = Launcher::new(dir.path(), &settings, options.processes);
        start.environment = options.environment;
        let mut vitrine = start.start(if options.processes > 1 { CLUSTER_WORKERS } else { WORKERS[0] });
        vitrine.wait_ready(&start, SOON).unwrap_or_else(|reason| panic!("{reason}"));
        let target = LoadTarget {
            kafka: services.kafka.client_config(),
            topic: topics[0].clone(),
            database: database.clone(),
            order_prefix: options.order_prefix,
            start: start.clone(),
        };
        // The same at every run, and another one for every kind.
        let seed = name.bytes().fold(0_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let load = Load::start(&target, seed);
        let watches = start.each().map(|process| AsOfMonitor::start(&process)).collect();
        let (topic_contents, rng) = (TopicContents::default(), Dice::new(seed));
        let (kept, newest, left_out) = (Retained::Everything, None, None);
        Testbed {
            start,
            program: vitrine,
            topic_contents,
            load,
            rng,
            topics,
            database,
            kept,
            left_out,
            newest,
            letters,
            watches,
            starts: 1,
            dir,
        }
    }

    /// The directory of the checkpoints.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.dir.path().join("checkpoints")
    }

    /// Waits until a checkpoint holds what is shown by now. Meanwhile nothing may be written, or there is no end to it.
    pub(crate) fn wait_checkpoint(&self) {
        let at = |key: &[&str]| {
            let status = self.start.status()?;
            key.iter().try_fold(&status, |value, key| value.get(key))?.as_u64()
        };
        let shown = wait_for(SOON, "there is a status", || at(&["as_of_ms"]));
        wait_until(SOON, "a checkpoint is taken", || {
            at(&["checkpoint", "as_of_ms"]).is_some_and(|taken| taken >= shown)
        });
    }

    /// Lets it run for a random while.
    pub(crate) fn let_run(&mut self, ms_max: usize) {
        pause(Duration::from_millis(self.rng.below(ms_max) as u64));
    }

    /// Kills the program at once.
    pub(crate) fn kill(&mut self) {
        self.program.kill9();
    }

    /// Starts the program again, after killing it if it still runs, with another number of workers.
    pub(crate) fn start_again(&mut self) {
        self.kill();
        self.newest = resumed::newest(&self.checkpoints());
        self.program = self.start.start(WORKERS[self.starts % WORKERS.len()]);
        self.starts += 1;
    }

    /// Waits until nothing moves any more; says in how long, and what differs then.
    pub(crate) fn settle(&mut self, services: &Services) -> (String, Vec<String>) {
        self.settle_with(services, &[])
    }

    /// As [`Testbed::settle`], with the histories of further users.
    pub(crate) fn settle_with(&mut self, services: &Services, further: &[String]) -> (String, Vec<String>) {
        let begun = Instant::now();
        let waited = match self.program.wait_ready(&self.start, SOON) {
            Ok(waited) => waited,
            Err(reason) => return ("never ready".to_owned(), vec![reason]),
        };
        let ready = begun.elapsed();
        let slowly = if ready > SLOW { format!(" ({waited})") } else { String::new() };
        let gate = self.load.gate();
        let _quiet = gate.write().expect("no holder of this lock panics");
        let (summary, mut differences) = self.compare(services, further);
        differences.extend(resumed::differences(&self.program.stderr(), self.newest, self.kept));
        differences.extend(self.refused(services));
        let (processes, ready) = (self.start.each().count(), ready.as_millis());
        let processes = if processes > 1 { format!("{processes} processes of ") } else { String::new() };
        (format!("{processes}{} workers ready after {ready} ms{slowly}, {summary}", self.program.workers), differences)
    }

    /// Waits until all lists are what they should be, while nothing is written; says in how long, and what differs.
    pub(crate) fn compare(&mut self, services: &Services, further: &[String]) -> (String, Vec<String>) {
        let quiet = Instant::now();
        let mut nudged = "";
        let mut differences = loop {
            let mut differences = self.differ(services, self.left_out, further);
            let lost = self.lost();
            if !lost.is_empty() && nudged.is_empty() && quiet.elapsed() > HELD_BACK_MAX {
                self.nudge(services);
                nudged = ", of which the broker gave the last only after another write";
            }
            differences.extend(lost);
            if differences.is_empty() || quiet.elapsed() > SETTLED_MAX {
                break differences;
            }
            pause(AGAIN);
        };
        let settled = quiet.elapsed().as_millis();
        differences.append(&mut self.load.acknowledged().lock().expect("no holder of this lock panics").wrong);
        let mut answers = 0;
        for watch in &self.watches {
            let (wrong, watched) = watch.take_wrong();
            differences.extend(wrong);
            answers += watched;
        }
        if !differences.is_empty() {
            differences
                .insert(0, format!("{} differences; the log ends: {}", differences.len(), self.program.last_lines()));
        }
        let records = self.topic_contents.records();
        (format!("settled after {settled} ms, {records} records{nudged}, {answers} answers watched"), differences)
    }

    /// What differs at this moment, where orders whose ids begin with `left_out` do not count. What has just happened may
    /// not be shown yet.
    pub(crate) fn differ(&mut self, services: &Services, left_out: Option<&str>, further: &[String]) -> Vec<String> {
        let users: Vec<String> = load::users().into_iter().chain(further.iter().cloned()).collect();
        self.topic_contents.catch_up(&services.kafka, &self.topics.each_ref().map(String::as_str));
        let as_of = self.start.status().and_then(|status| status["as_of_ms"].as_u64()).unwrap_or(0);
        let expected = ExpectedLists::work_out(&mut connect(&self.database), as_of, left_out);
        let expected = expected.expect("the test's queries are valid");
        self.start.each().flat_map(|process| expected.differences(&self.topic_contents, &users, &process)).collect()
    }

    /// Whether anything but rows of the orders that must not count became a dead letter.
    fn refused(&self, services: &Services) -> Vec<String> {
        let letters = self.letters(services);
        let meant = |letter: &str| self.left_out.is_some_and(|order| letter.contains(order));
        letters
            .into_iter()
            .filter(|letter| !meant(letter))
            .map(|it| format!("this became a dead letter: {it}"))
            .collect()
    }

    /// All dead letters.
    pub(crate) fn letters(&self, services: &Services) -> Vec<String> {
        let count: i64 = (0..PARTITIONS).map(|partition| services.kafka.watermarks(&self.letters, partition).1).sum();
        let letters = services.kafka.consume(&self.letters, count as usize, SOON);
        letters.into_iter().map(|letter| String::from_utf8_lossy(&letter.payload).into_owned()).collect()
    }

    /// Writes an event that changes none of the lists that are compared to every partition of the views. A broker that was
    /// killed and has come back may keep acknowledged records from all readers until more is written behind them.
    fn nudge(&self, services: &Services) {
        for partition in 0..PARTITIONS {
            let message = format!("nudge-{partition}-{}", self.topic_contents.records());
            let event = load::view("u-nudge", &load::product(0), &message);
            services.kafka.produce(&self.topics[0], Some(partition), [load::stamped(event)]);
        }
    }

    /// What was acknowledged and is not in the topics.
    fn lost(&self) -> Vec<String> {
        let acknowledged = self.load.acknowledged().lock().expect("no holder of this lock panics");
        let posts = acknowledged.posts.iter().filter(|message| !self.topic_contents.has(message));
        let mut lost: Vec<String> =
            posts.map(|message| format!("the event {message} was acknowledged and is lost")).collect();
        for ((user, product), times) in &acknowledged.removals {
            let found = self.topic_contents.removals(user, product);
            if found < *times {
                lost.push(format!("{times} removals of {product} by {user} were acknowledged, {found} are there"));
            }
        }
        lost
    }
}

/// A number of milliseconds as a random wait may last.
pub(crate) fn seconds(seconds: usize) -> usize {
    seconds * MILLIS
}
