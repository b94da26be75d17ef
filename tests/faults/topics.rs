//! Topics are recreated, truncated and grown under load.

use std::time::Duration;

use harness::Services;
use rdkafka::producer::{BaseRecord, Producer as _};

use crate::SOON;
use crate::load::{pause, product, stamped, user, view};
use crate::report::Report;
use crate::testbed::{Testbed, seconds};

const PARTITIONS: i32 = 3;
/// Records that are lost with a topic's beginning; as many further ones are not.
const LOST: i64 = 50;

/// The topic is deleted and made again under its name, with other records: they are read from the first one on, and
/// what was read of the old one stays.
pub(crate) fn recreated(services: &Services, report: &mut Report, times: usize) {
    let mut testbed = Testbed::open(services, "topic-recreated");
    for number in 0..times {
        testbed.let_run(seconds(2));
        let (stopped, views) = (number % 2 == 1, testbed.topics[0].clone());
        let gate = testbed.load.gate();
        let mut before = {
            let _quiet = gate.write().expect("no holder of this lock panics");
            // Everything of the old topic is known on both sides.
            let (_, before) = testbed.compare(services, &[]);
            if stopped {
                // What is in no checkpoint goes with the topic.
                testbed.wait_checkpoint();
                testbed.kill();
            }
            let ends = (0..PARTITIONS).map(|partition| services.kafka.watermarks(&views, partition).1);
            let ends: Vec<i64> = ends.collect();
            services.kafka.delete_topic(&views);
            services.kafka.create_topic(&views, PARTITIONS);
            testbed.topic_contents.begin_anew(&views);
            // In one partition other records come to stand where the old ones were, in the others none that are shown.
            (1..PARTITIONS).for_each(|partition| abort(services, &views, partition, ends[partition as usize]));
            before
        };
        pause(Duration::from_secs(1));
        if stopped {
            testbed.start_again();
        }
        let (summary, differences) = testbed.settle(services);
        before.extend(differences);
        let kind = if stopped { "made anew while the program was down" } else { "made anew while it was read" };
        report.fault(&format!("{kind}, {summary}"), before);
    }
}

/// Writes so many records in a transaction that is aborted: nobody is shown them. One that is shown stands before them,
/// and in every other partition one behind them; in the rest nothing comes behind them until somebody writes there.
fn abort(services: &Services, topic: &str, partition: i32, records: i64) {
    let show = |number: usize| {
        let (user, product) = (user(records as usize), product(partition as usize + number));
        let event = stamped(view(&user, &product, &format!("shown-{topic}-{partition}-{records}-{number}")));
        services.kafka.produce(topic, Some(partition), [event]);
    };
    show(0);
    let producer = services.kafka.producer(&[("transactional.id", "aborted")]);
    let unseen = view("u-unseen", &product(0), "unseen").to_string();
    producer.init_transactions(SOON).expect("the broker is there");
    producer.begin_transaction().expect("transactions are ready");
    for _ in 0..records {
        let record = BaseRecord::<(), _>::to(topic).partition(partition).payload(&unseen);
        producer.send(record).map_err(|(error, _)| error).expect("the queue has room");
    }
    producer.flush(SOON).expect("the records are written");
    producer.abort_transaction(SOON).expect("the transaction is open");
    if partition % 2 == 1 {
        show(1);
    }
}

/// Records are deleted before they are read: the range is told, and everything else is there.
pub(crate) fn truncated(services: &Services, report: &mut Report, times: usize) {
    let mut testbed = Testbed::open(services, "topic-truncated");
    for number in 0..times {
        testbed.let_run(seconds(2));
        let (stopped, views) = (number % 2 == 0, testbed.topics[0].clone());
        let gate = testbed.load.gate();
        let quiet = gate.write().expect("no holder of this lock panics");
        let (_, mut differences) = testbed.compare(services, &[]);
        let from = services.kafka.watermarks(&views, 0).1;
        // While it runs, everything has been read.
        let first_kept = if stopped { from + LOST } else { from };
        if stopped {
            testbed.wait_checkpoint();
            testbed.kill();
            let events = (0..2 * LOST).map(|at| {
                let at = at as usize;
                stamped(view(&user(at), &product(at / 3), &format!("t-{number}-{at}")))
            });
            services.kafka.produce(&views, Some(0), events);
        }
        services.kafka.truncate(&views, 0, first_kept);
        drop(quiet);
        if stopped {
            testbed.start_again();
        }
        let (summary, after) = testbed.settle(services);
        differences.extend(after);
        let told = testbed.program.stderr();
        if stopped && !(told.contains("lost_from") && told.contains(&first_kept.to_string())) {
            differences.push(format!("the loss of {from} to {first_kept} is not told: {told}"));
        }
        let kind = if stopped { "cut off behind what was read" } else { "cut off before what is read" };
        report.fault(&format!("{kind}, {summary}"), differences);
    }
}

/// New partitions appear and are written to at once.
pub(crate) fn partitions_added(services: &Services, report: &mut Report, times: usize) {
    let mut testbed = Testbed::open(services, "partitions-added");
    let mut partitions = [PARTITIONS; 2];
    for number in 0..times {
        testbed.let_run(seconds(2));
        // Of the views while the program runs, of the removals while it is down, and so on.
        let which = number % 2;
        if which == 1 {
            testbed.kill();
        }
        partitions[which] += 1 + (number % 3) as i32;
        services.kafka.grow_topic(&testbed.topics[which], partitions[which]);
        if which == 1 {
            pause(Duration::from_secs(1));
            testbed.start_again();
        } else {
            // Clients learn of them within some time only: these are there at once.
            let last = partitions[which] - 1;
            let event = stamped(view(&user(number), &product(number), &format!("new-{number}")));
            services.kafka.produce(&testbed.topics[which], Some(last), [event]);
        }
        let (summary, differences) = testbed.settle(services);
        let kind = if which == 1 { "removals grown while the program was down" } else { "views grown" };
        report.fault(&format!("{kind}, {summary}"), differences);
    }
}
