//! Faults on real servers: what is injected under load, and that afterwards every list is as a plain recomputation has it.
//!
//! ```text
//! load ─▶ Kafka, PostgreSQL ─▶ vitrine serve, with checkpoints ─▶ answers ─┬─▶ compared, row by row
//!             ▲     ▲                  ▲                                    └─▶ watched: `as_of` never goes back
//!             └─────┴──── a fault ─────┘      what was acknowledged is remembered, and must be there
//! ```
//! `cargo test` runs a short selection. With `--full` everything runs at its full size, or the faults that are named;
//! `scripts/faults` does that. The last line is `N faults, K differ`.

#[path = "faults/broker.rs"]
mod broker;
#[path = "faults/checkpoints.rs"]
mod checkpoints;
#[path = "faults/clocks.rs"]
mod clocks;
#[path = "faults/database.rs"]
mod database;
#[path = "hostile/dice.rs"]
mod dice;
#[path = "faults/kills.rs"]
mod kills;
#[path = "faults/load.rs"]
mod load;
#[path = "faults/mirror.rs"]
mod mirror;
#[path = "faults/plain.rs"]
mod plain;
#[path = "faults/report.rs"]
mod report;
#[path = "faults/scene.rs"]
mod scene;
#[path = "faults/services.rs"]
mod services;
#[path = "faults/topics.rs"]
mod topics;
#[path = "faults/vitrine.rs"]
mod vitrine;
#[path = "faults/watch.rs"]
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use report::Report;
use services::Services;

/// Injects a fault as often as it is told, and reports each.
type Run = fn(&mut Services, &mut Report, usize);

/// A kind of fault.
struct Fault {
    name: &'static str,
    run: Run,
    /// How often in the short selection, and at full size.
    times: [usize; 2],
}

const FAULTS: &[Fault] = &[
    Fault { name: "kill-vitrine", run: kills::vitrine, times: [6, 200] },
    Fault { name: "delete-kill", run: kills::after_deletes, times: [10, 1000] },
    Fault { name: "sigterm-under-load", run: kills::terminated, times: [1, 20] },
    Fault { name: "kill-database", run: database::killed, times: [2, 50] },
    Fault { name: "slot-dropped", run: database::slot_dropped, times: [2, 10] },
    Fault { name: "kill-broker", run: broker::killed, times: [2, 50] },
    Fault { name: "topic-recreated", run: topics::recreated, times: [2, 6] },
    Fault { name: "topic-truncated", run: topics::truncated, times: [2, 6] },
    Fault { name: "partitions-added", run: topics::partitions_added, times: [2, 6] },
    Fault { name: "corrupt-checkpoint", run: checkpoints::corrupted, times: [2, 20] },
    Fault { name: "disk-full", run: checkpoints::disk_full, times: [2, 10] },
    Fault { name: "clock-jumps", run: clocks::jumped, times: [4, 10] },
];

/// Exit status where arguments make no sense.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (flags, names): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with('-'));
    let full = flags.contains(&"--full");
    if flags.contains(&"--list") {
        FAULTS.iter().for_each(|fault| println!("{}: test", fault.name));
        return ExitCode::SUCCESS;
    }
    if full && let Some(unknown) = names.iter().find(|name| FAULTS.iter().all(|fault| fault.name != **name)) {
        let known: Vec<&str> = FAULTS.iter().map(|fault| fault.name).collect();
        eprintln!("there is no fault {unknown:?}; there are {}", known.join(", "));
        return USAGE.into();
    }
    // Without `--full` names are filters, as for any other test: `cargo test` gives the same to all.
    let named = |fault: &&Fault| {
        names.is_empty() || names.iter().any(|name| if full { fault.name == *name } else { fault.name.contains(name) })
    };
    let chosen: Vec<&Fault> = FAULTS.iter().filter(named).collect();
    let mut report = Report::default();
    if !chosen.is_empty() {
        let mut services = Services::start();
        for fault in chosen {
            let times = fault.times[usize::from(full)];
            report.begin(fault.name);
            let run = || (fault.run)(&mut services, &mut report, times);
            // What panics is a wait that was in vain: told as a difference, and the others go on.
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                report.fault("it was not seen to its end", vec!["what panicked is told above".to_owned()]);
                services.mend();
            }
        }
    }
    println!("{report}");
    if report.differing() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
