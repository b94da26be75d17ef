//! The broker is killed under load, and restarted after a while.

use harness::Services;

use crate::report::Report;
use crate::testbed::{Testbed, seconds};

pub(crate) fn killed(services: &mut Services, report: &mut Report, times: usize) {
    let mut testbed = Testbed::open(services, "kill-broker");
    for number in 0..times {
        testbed.let_run(seconds(3));
        services.kafka.kill9();
        testbed.let_run(seconds(2));
        // Every other time the program goes down in between too, and comes back before the broker does.
        let both = number % 2 == 1;
        if both {
            testbed.start_again();
        }
        services.kafka.restart();
        let (summary, differences) = testbed.settle(services);
        let kind = if both { "killed, and the program too" } else { "killed" };
        report.fault(&format!("{kind}, {summary}"), differences);
    }
}
