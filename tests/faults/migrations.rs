//! A shop migrates its tables while the program runs, or while it is down: the program never makes a migration fail or
//! wait, and afterwards the lists equal the result of SQL.

#[path = "migrations/partitions.rs"]
mod partitions;
#[path = "migrations/tables.rs"]
mod tables;

use std::time::Duration;

use harness::Services;
use harness::postgres::connect;
use postgres::error::SqlState;
use postgres::{Client, Error};

use crate::load::pause;
use crate::options::TestbedOptions;
use crate::report::Report;
use crate::resumed::Retained;
use crate::testbed::Testbed;

/// The longest wait for a lock. The transactions of the load take milliseconds.
const LOCK_MAX: &str = "20s";
/// Of two transactions that wait for each other the server ends either, which is no refusal.
const ATTEMPTS: usize = 20;
const BEFORE_MS_MAX: usize = 500;
/// The program is down for so long.
const DOWN: Duration = Duration::from_millis(500);

/// Statements of one transaction.
struct Migration {
    what: &'static str,
    sql: &'static str,
}

/// Everything that is done to one set of tables, in this order.
struct Series {
    name: &'static str,
    schema: &'static str,
    mode: &'static str,
    migrations: &'static [Migration],
}

/// Of tables as most shops have them; each time round they are made anew.
pub(crate) fn of_tables(services: &Services, report: &mut Report, times: usize) {
    run(&tables::SERIES, services, report, times);
}

/// Of a partitioned table, whose rows come and go with the partitions.
pub(crate) fn of_partitions(services: &Services, report: &mut Report, times: usize) {
    run(&partitions::SERIES, services, report, times);
}

fn run(series: &Series, services: &Services, report: &mut Report, times: usize) {
    let mut testbed: Option<Testbed> = None;
    for number in 0..times {
        let (round, step) = (number / series.migrations.len(), number % series.migrations.len());
        if step == 0 {
            testbed = None;
        }
        let testbed = testbed.get_or_insert_with(|| open(series, services, round));
        let stopped = round % 2 == 1;
        let Migration { what, sql } = &series.migrations[step];
        testbed.let_run(BEFORE_MS_MAX);
        if stopped {
            testbed.kill();
        }
        let refused = migrate(&mut connect(&testbed.database), sql).err();
        if stopped {
            pause(DOWN);
            testbed.start_again();
        }
        let (summary, mut differences) = testbed.settle(services);
        differences.extend(refused.map(|error| format!("the server refused {sql}: {error:?}")));
        let kind = if stopped { "while the program was down" } else { "while it ran" };
        report.fault(&format!("{what} {kind}, {summary}"), differences);
    }
}

fn open(series: &Series, services: &Services, round: usize) -> Testbed {
    let options = TestbedOptions {
        schema: series.schema.to_owned(),
        mode: series.mode,
        order_prefix: "",
        ..TestbedOptions::default()
    };
    let mut testbed = Testbed::open_on(services, &format!("{}-{round}", series.name), options);
    testbed.kept = Retained::NoLog;
    testbed
}

/// Runs it as often as the load is in its way.
fn migrate(client: &mut Client, sql: &str) -> Result<(), Error> {
    client.batch_execute(&format!("SET lock_timeout = '{LOCK_MAX}'"))?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        match client.batch_execute(sql) {
            Err(error) if error.code() == Some(&SqlState::T_R_DEADLOCK_DETECTED) && attempts < ATTEMPTS => {}
            done => return done,
        }
    }
}
