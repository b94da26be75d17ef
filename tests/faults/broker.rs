//! The broker killed under load, and back after a while.

use crate::report::Report;
use crate::scene::{Scene, seconds};
use harness::Services;

pub(crate) fn killed(services: &mut Services, report: &mut Report, times: usize) {
    let mut scene = Scene::open(services, "kill-broker");
    for number in 0..times {
        scene.let_run(seconds(3));
        services.kafka.kill9();
        scene.let_run(seconds(2));
        // Every other time the program goes down in between too, and comes back before the broker does.
        let both = number % 2 == 1;
        if both {
            scene.start_again();
        }
        services.kafka.restart();
        let (said, differences) = scene.settle(services);
        let kind = if both { "killed, and the program too" } else { "killed" };
        report.fault(&format!("{kind}, {said}"), differences);
    }
}
