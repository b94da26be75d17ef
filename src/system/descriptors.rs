//! How many files and connections this process may have open at the same time.
//!
//! At the start the soft limit is raised to the hard limit. Clients' connections leave some descriptors of this limit
//! to all other uses: a checkpoint, or a broker that comes back, must not wait until a client disconnects.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Reserved for other uses than clients' connections: the log, brokers, the database, checkpoints, and the threads' own
/// files.
const OWN: u64 = 128;

/// Kept free at all times: a share of the limit, and at most this number.
const FREE_MAX: u64 = 64;

/// If the limit is low, connections get at least one part in this many.
const SHARE: u64 = 4;

/// Raises the limit as far as the process is allowed to; returns it, or `None` if there is no limit.
pub(crate) fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, ?current, ?maximum, "the limit of open files cannot be raised");
    }
    limit()
}

/// The current limit; `None` if there is no limit.
pub(crate) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// The number of connections for which there is room, at most `connections_max`.
pub(crate) fn connections(connections_max: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return connections_max };
    let room = limit.saturating_sub(OWN).max(limit / SHARE).max(1);
    connections_max.min(usize::try_from(room).unwrap_or(usize::MAX))
}

/// The descriptor from which on connections are not accepted: the reserve may be too small for many brokers, and the
/// process must be able to connect to them again all the same.
pub(crate) fn in_use_max(limit: Option<u64>) -> i32 {
    let taken = limit.map(|limit| limit - (limit / SHARE).min(FREE_MAX));
    taken.and_then(|taken| i32::try_from(taken).ok()).unwrap_or(i32::MAX)
}

/// The message that there is no room for `connections_max` connections, if this is so, with the remedy.
pub(crate) fn shortage(connections_max: usize, limit: Option<u64>) -> Option<String> {
    let room = connections(connections_max, limit);
    let limit = limit.filter(|_| room < connections_max)?;
    Some(format!(
        "`server.connections_max` is {connections_max}, and the system lets this process open {limit} files: {room} \
         connections are taken at most, further ones are answered 503; raise the hard limit (`ulimit -Hn`, LimitNOFILE= of \
         systemd, --ulimit nofile= of Docker) to {} or more, or lower the setting",
        u64::try_from(connections_max).unwrap_or(u64::MAX).saturating_add(OWN)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_free_at_any_time() {
        for (limit, in_use_max) in [
            (None, i32::MAX),
            (Some(u64::MAX), i32::MAX),
            (Some(10_128), 10_064),
            (Some(64), 48),
            (Some(3), 3),
            (Some(0), 0),
        ] {
            assert_eq!(super::in_use_max(limit), in_use_max, "{limit:?}");
        }
    }

    #[test]
    fn connections_leave_room_for_the_rest() {
        for (limit, room) in [
            (None, 10_000),
            (Some(1_000_000), 10_000),
            (Some(10_128), 10_000),
            (Some(10_127), 9_999),
            (Some(1024), 896),
            (Some(160), 40),
            (Some(64), 16),
            (Some(3), 1),
            (Some(0), 1),
        ] {
            assert_eq!(connections(10_000, limit), room, "{limit:?}");
            assert_eq!(shortage(10_000, limit).is_some(), room < 10_000, "{limit:?}");
        }
        let said = shortage(10_000, Some(1024)).expect("there is no room for all");
        assert!(
            said.contains("is 10000") && said.contains("open 1024 files: 896") && said.contains("to 10128"),
            "{said}"
        );
    }
}
