//! Row-level security is switched on while the program runs, for a role that it hides rows from.
//!
//! SQL then gives fewer rows than the log. The program must report that and must not mix the two: the lists stay as
//! they were, or continue with every row of the log. Once its role sees all rows again, the lists are correct.

use std::time::{Duration, Instant};

use harness::Services;
use harness::postgres::{connect, execute};
use harness::wait_until;

use crate::SOON;
use crate::load::{self, pause};
use crate::meanwhile;
use crate::options::TestbedOptions;
use crate::report::Report;
use crate::resumed::Retained;
use crate::testbed::{Testbed, seconds};

const ROLE: &str = "held_back";
const TABLES: [&str; 3] = ["orders", "order_items", "products"];
/// The program goes on without a mend for so long.
const UNMENDED: Duration = Duration::from_secs(3);
/// What is right is seen to be within this time: ticks and the window's edge move while lists are compared.
const SEEN: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(200);

/// Followed by the log, and read again and again, in turn; mended both ways.
pub(crate) fn switched_on(services: &Services, report: &mut Report, times: usize) {
    services.postgres.execute(&format!("CREATE ROLE {ROLE} LOGIN REPLICATION"));
    let modes = ["replication", "refresh"];
    let mut testbeds: Vec<Testbed> = modes[..times.min(modes.len())].iter().map(|mode| open(services, mode)).collect();
    for number in 0..times {
        let mode = number % testbeds.len();
        let table = TABLES[number / testbeds.len() % TABLES.len()];
        let bypassed = (number / testbeds.len()).is_multiple_of(2);
        let (summary, differences) = switch_on(services, &mut testbeds[mode], table, number, bypassed);
        let mend = if bypassed { "mended by BYPASSRLS" } else { "switched off again" };
        report.fault(&format!("on for {table}, by {}, {mend}, {summary}", modes[mode]), differences);
    }
}

/// The role may read the tables and follow the log, and owns nothing: the publication is made for it.
fn open(services: &Services, mode: &'static str) -> Testbed {
    let name = format!("row-security-{mode}");
    let (publication, port) = (name.replace('-', "_"), services.postgres.port());
    let schema = format!(
        "{}; GRANT SELECT ON products, orders, order_items TO {ROLE};
         CREATE PUBLICATION {publication} FOR TABLE products, orders, order_items",
        load::schema()
    );
    let url = Some(format!("postgres://{ROLE}@127.0.0.1:{port}/{name}"));
    let mut testbed =
        Testbed::open_on(services, &name, TestbedOptions { url, schema, mode, ..TestbedOptions::default() });
    // The table is read again after the mend.
    testbed.kept = Retained::NoLog;
    testbed
}

fn switch_on(
    services: &Services,
    testbed: &mut Testbed,
    table: &str,
    number: usize,
    bypassed: bool,
) -> (String, Vec<String>) {
    testbed.let_run(seconds(2));
    let gate = testbed.load.gate();
    let quiet = gate.write().expect("no holder of this lock panics");
    let (_, mut differences) = testbed.compare(services, &[]);
    let mut client = connect(&testbed.database);
    let mut run = |sql: &str| client.batch_execute(sql).expect("the test is a superuser");
    run(&format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"));
    // Every list of best sellers tells whether this order counts.
    let order = format!("later-{number:04}");
    run(&format!(
        "INSERT INTO orders VALUES ('{order}', 'u-{order}', now());
         INSERT INTO order_items SELECT '{order}', product_id FROM products"
    ));
    let begun = Instant::now();
    wait_until(SOON, "it is told that row-level security holds rows back", || {
        testbed.start.unready().is_some_and(|reason| {
            let reason = reason.to_lowercase();
            reason.contains("row") && reason.contains("security") && reason.contains(table)
        })
    });
    let told = begun.elapsed();
    while begun.elapsed() < told + UNMENDED {
        differences.extend(mixed(services, testbed, &order));
        differences.extend(meanwhile::answers(testbed));
        pause(AGAIN);
    }
    run(&match bypassed {
        true => format!("ALTER ROLE {ROLE} BYPASSRLS"),
        false => format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"),
    });
    drop(quiet);
    let (summary, after) = testbed.settle(services);
    differences.extend(after);
    execute(
        &testbed.database,
        &format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY; ALTER ROLE {ROLE} NOBYPASSRLS"),
    );
    (format!("told after {} ms, {summary}", told.as_millis()), differences)
}

/// What differs both from the lists as they were and from the lists with the order that came later.
fn mixed(services: &Services, testbed: &mut Testbed, order: &str) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let as_they_were = testbed.differ(services, Some(order), &[]);
        if as_they_were.is_empty() || testbed.differ(services, None, &[]).is_empty() {
            return Vec::new();
        }
        if begun.elapsed() > SEEN {
            return as_they_were;
        }
        pause(AGAIN);
    }
}
