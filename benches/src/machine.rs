//! Measurements from the kernel: a process's CPU time and resident memory; and the kernel's scheduling of sessions.

use std::fs;
use std::time::Duration;

/// Linux counts processor time in hundredths of a second for every program.
const TICKS_PER_S: f64 = 100.0;

/// Processor seconds of a process so far: user and system, all of its threads.
pub(crate) fn cpu_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The program's name, in parentheses, may hold anything; what follows is numbers, the state first.
    let (_, numbers) = stat.rsplit_once(')').expect("the kernel writes the name in parentheses");
    let ticks = |at: usize| numbers.split_whitespace().nth(at).and_then(|field| field.parse().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / TICKS_PER_S
}

/// Bytes of memory resident now.
pub(crate) fn resident_bytes(pid: u32) -> f64 {
    status_bytes(pid, "VmRSS:")
}

/// The most bytes of memory that were ever resident.
pub(crate) fn resident_bytes_peak(pid: u32) -> f64 {
    status_bytes(pid, "VmHWM:")
}

fn status_bytes(pid: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib: f64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN);
    kib * 1024.0
}

/// Whether the kernel divides CPU time among sessions before threads (sched(7), autogroup): 1 or 0.
///
/// If so, each of PostgreSQL's processes is a session of its own and everything else here is one session. On busy CPUs,
/// a process of PostgreSQL was seen to wait 0.3 s for its turn.
pub(crate) fn shares_among_sessions() -> f64 {
    let setting = fs::read_to_string("/proc/sys/kernel/sched_autogroup_enabled").unwrap_or_default();
    f64::from(u8::from(setting.trim() == "1"))
}

/// Lets the calling thread rest for this long: for pacing, never for waiting on something.
pub(crate) fn rest(duration: Duration) {
    let end = std::time::Instant::now() + duration;
    while let Some(left) = end.checked_duration_since(std::time::Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_itself() {
        let own = std::process::id();
        assert!(cpu_s(own) >= 0.0);
        // The peak is read last: the process may grow in between.
        let resident = resident_bytes(own);
        assert!(resident > 1e6 && resident_bytes_peak(own) >= resident);
    }
}
