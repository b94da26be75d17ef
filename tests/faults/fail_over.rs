//! The database's standby takes over under load: the same address, with another server behind it.
//!
//! ```text
//! program, load, comparison ─▶ proxy ─▶ primary ─▶ standby       then        proxy ─▶ standby, promoted
//! ```
//! The standby does not have the replication slot, so the tables are read again and the difference is applied.

use std::time::Duration;

use harness::Services;
use harness::postgres::Server;
use harness::proxy::Proxy;

use crate::load::pause;
use crate::options::TestbedOptions;
use crate::report::Report;
use crate::resumed::Retained;
use crate::testbed::{Testbed, seconds};

const NAME: &str = "fail-over";
/// So long the standby hears nothing before the primary is lost: transactions that were committed and shown are lost with it.
const LAG: Duration = Duration::from_millis(500);

/// How the primary goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Killed under load.
    Killed,
    /// Killed after a while in which the standby had heard nothing.
    Ahead,
    /// Shut down in order, for which it waits until all that follow its log have it.
    InOrder,
}

const ENDINGS: [(Ending, &str); 3] = [
    (Ending::Ahead, "killed with transactions that its standby has not"),
    (Ending::InOrder, "shut down in order"),
    (Ending::Killed, "killed"),
];

/// The program is gone meanwhile every fourth time: it starts with the other server.
pub(crate) fn promoted(services: &Services, report: &mut Report, times: usize) {
    let mut primary = Server::start();
    let proxy = Proxy::start(primary.port());
    let database = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port());
    let mut testbed =
        Testbed::open_on(services, NAME, TestbedOptions { database: Some(database), ..TestbedOptions::default() });
    testbed.kept = Retained::NoLog;
    for number in 0..times {
        let stream = Proxy::start(primary.port());
        let standby = primary.standby_through(stream.port());
        testbed.let_run(seconds(2));
        let (ending, how) = ENDINGS[number % ENDINGS.len()];
        let restarted = number % 4 == 3;
        if restarted {
            testbed.kill();
        }
        match ending {
            Ending::InOrder => primary.stop(),
            Ending::Killed => primary.kill9(),
            Ending::Ahead => {
                stream.stall();
                pause(LAG);
                primary.kill9();
            }
        }
        stream.reset();
        standby.promote();
        proxy.redirect(standby.port());
        proxy.reset();
        if restarted {
            testbed.start_again();
        }
        let (summary, differences) = testbed.settle(services);
        let both = if restarted { ", and the program too" } else { "" };
        report.fault(&format!("the primary {how}{both}, timeline {}, {summary}", standby.timeline()), differences);
        primary = standby;
    }
}
