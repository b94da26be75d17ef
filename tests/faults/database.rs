//! The database server is killed under load, and its replication slot is dropped.

use std::time::Duration;

use harness::Services;
use harness::postgres::connect;
use harness::wait_until;

use crate::SOON;
use crate::report::Report;
use crate::resumed::{Retained, tables_read};
use crate::testbed::{Testbed, seconds};

pub(crate) fn killed(services: &mut Services, report: &mut Report, times: usize) {
    let mut testbed = Testbed::open(services, "kill-database");
    for number in 0..times {
        testbed.let_run(seconds(3));
        services.postgres.kill9();
        testbed.let_run(seconds(1));
        // Every other time the program goes down in between too, and comes back before the server does.
        let both = number % 2 == 1;
        if both {
            testbed.start_again();
        }
        services.postgres.restart();
        let (summary, differences) = testbed.settle(services);
        let kind = if both { "killed, and the program too" } else { "killed" };
        report.fault(&format!("{kind}, {summary}"), differences);
    }
}

/// The slot is gone while the program runs, or when it comes back: what was written meanwhile is in no log any more, and
/// the range is told.
pub(crate) fn slot_dropped(services: &Services, report: &mut Report, times: usize) {
    let mut testbed = Testbed::open(services, "slot-dropped");
    testbed.kept = Retained::NoLog;
    for number in 0..times {
        testbed.let_run(seconds(2));
        let stopped = number % 2 == 1;
        if stopped {
            testbed.kill();
        }
        let told = tables_read(&testbed.program.stderr());
        drop_slot(&testbed);
        if stopped {
            // The load goes on: rows come and go that only the tables tell of.
            crate::load::pause(Duration::from_secs(1));
            testbed.start_again();
        }
        // Of what was started since, everything is new.
        let told = if stopped { 0 } else { told };
        wait_until(SOON, "the range that is lost is told", || tables_read(&testbed.program.stderr()) > told);
        let (summary, differences) = testbed.settle(services);
        let kind = if stopped { "dropped while the program was down" } else { "dropped while in use" };
        report.fault(&format!("{kind}, {summary}"), differences);
    }
}

/// Whoever uses it is disconnected until it can be dropped.
fn drop_slot(testbed: &Testbed) {
    let mut client = connect(&testbed.database);
    let slots = "slot_name = 'slot_dropped'";
    let free = format!("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE {slots} AND active");
    let gone = format!("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE {slots}");
    wait_until(SOON, "the slot is dropped", || {
        client.batch_execute(&free).expect("the test is a superuser");
        client.batch_execute(&gone).is_ok()
    });
}
