//! Faults on real servers, injected under load. Afterwards every list must equal a plain recomputation.
//!
//! ```text
//! load ─▶ Kafka, PostgreSQL ─▶ vitrine serve, with checkpoints ─▶ answers ─┬─▶ compared, row by row
//!             ▲     ▲                  ▲                                    └─▶ watched: `as_of` never goes back
//!             └─────┴──── a fault ─────┘      what was acknowledged is remembered, and must be there
//! ```
//! `cargo test` runs a short selection. With `--full`, all faults or the named faults run at full size;
//! `scripts/faults` does that. The last line is `N faults, K differ`; the line before names the faults that could not
//! run here.

mod as_of_monitor;
mod bad_row;
mod broker;
mod checkpoints;
mod clocks;
mod database;
mod expected_lists;
mod fail_over;
mod kills;
mod load;
#[path = "../support/local_cluster.rs"]
mod local_cluster;
mod meanwhile;
mod migrations;
mod options;
mod processes;
mod report;
mod resumed;
mod row_security;
mod running_program;
mod silence;
mod testbed;
mod topic_contents;
mod topics;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::Services;

use report::{Report, Tally};

/// More than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(180);

/// Injects a fault as often as it is told, and reports each.
#[derive(Clone, Copy)]
enum Run {
    /// Takes the services away, so nothing else is tried meanwhile.
    Alone(fn(&mut Services, &mut Report, usize)),
    /// Leaves the services alone, so others can be tried beside it.
    Beside(fn(&Services, &mut Report, usize)),
}

use Run::{Alone, Beside};

/// A kind of fault.
struct Fault {
    name: &'static str,
    run: Run,
    /// How often in the short selection, and at full size.
    times: [usize; 2],
}

/// How many kinds are tried at the same time: they mostly wait.
const LANES: usize = 2;

const FAULTS: &[Fault] = &[
    Fault { name: "kill-database", run: Alone(database::killed), times: [2, 50] },
    Fault { name: "kill-broker", run: Alone(broker::killed), times: [2, 50] },
    Fault { name: "kill-vitrine", run: Beside(kills::vitrine), times: [4, 200] },
    Fault { name: "delete-kill", run: Beside(kills::after_deletes), times: [10, 1000] },
    Fault { name: "kill-process", run: Beside(processes::killed), times: [2, 20] },
    Fault { name: "freeze-process", run: Beside(processes::frozen), times: [2, 10] },
    Fault { name: "clock-jumps", run: Beside(clocks::jumped), times: [4, 10] },
    Fault { name: "slot-dropped", run: Beside(database::slot_dropped), times: [2, 10] },
    Fault { name: "fail-over", run: Beside(fail_over::promoted), times: [1, 12] },
    Fault { name: "stalled-connection", run: Beside(silence::stalled), times: [1, 6] },
    Fault { name: "silent-server", run: Beside(silence::silent), times: [1, 6] },
    Fault { name: "row-security", run: Beside(row_security::switched_on), times: [2, 12] },
    Fault { name: "migrations", run: Beside(migrations::of_tables), times: [10, 38] },
    Fault { name: "partitions", run: Beside(migrations::of_partitions), times: [2, 12] },
    Fault { name: "bad-row", run: Beside(bad_row::written), times: [2, 12] },
    Fault { name: "topic-recreated", run: Beside(topics::recreated), times: [2, 6] },
    Fault { name: "topic-truncated", run: Beside(topics::truncated), times: [2, 6] },
    Fault { name: "partitions-added", run: Beside(topics::partitions_added), times: [2, 6] },
    Fault { name: "corrupt-checkpoint", run: Beside(checkpoints::corrupted), times: [1, 20] },
    Fault { name: "disk-full", run: Beside(checkpoints::disk_full), times: [2, 10] },
    Fault { name: "sigterm-under-load", run: Beside(kills::terminated), times: [1, 20] },
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
    let tally = Tally::start();
    if !chosen.is_empty() {
        run(&chosen, usize::from(full), &tally);
    }
    let left_out = tally.left_out();
    if !left_out.is_empty() {
        println!("not tried, as it cannot be done here: {}", left_out.join(", "));
    }
    println!("{tally}");
    // Whoever asks for a fault by its name is not told that all is well when it could not be tried.
    let refused = full && left_out.iter().any(|name| names.contains(name));
    if tally.differing() == 0 && !refused { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the faults at one of the two sizes: one after the other those that need the services for themselves, then the
/// others, several at a time.
fn run(chosen: &[&Fault], size: usize, tally: &Arc<Tally>) {
    let mut services = Services::start();
    for fault in chosen {
        if let Alone(run) = fault.run {
            let seen = see(fault, tally, |report| run(&mut services, report, fault.times[size]));
            if !seen {
                services.restart();
            }
        }
    }
    let left = Mutex::new(chosen.iter());
    let next = || left.lock().expect("no holder of this lock panics").next();
    let lane = || {
        while let Some(fault) = next() {
            if let Beside(run) = fault.run {
                see(fault, tally, |report| run(&services, report, fault.times[size]));
            }
        }
    };
    std::thread::scope(|scope| (0..LANES).for_each(|_| drop(scope.spawn(lane))));
}

/// Runs one kind of fault, and says whether it was seen to its end. What panics is a wait that was in vain: told as a
/// difference, and the others go on.
fn see(fault: &Fault, tally: &Arc<Tally>, run: impl FnOnce(&mut Report)) -> bool {
    let mut report = Report::new(fault.name, tally.clone());
    let seen = catch_unwind(AssertUnwindSafe(|| run(&mut report))).is_ok();
    if !seen {
        report.fault("it was not seen to its end", vec!["what panicked is told above".to_owned()]);
    }
    seen
}
