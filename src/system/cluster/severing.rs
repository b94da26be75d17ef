//! Ends a process of a cluster whose peers go on.

/// The exit status of a process that ends because of its peers.
pub(super) const STATUS: i32 = 1;

/// Ends the process at once because process 0 does not end. Its workers must not take leave: the links then break as those of
/// a killed process do, which the other processes notice at once. Nothing is lost that a kill would not lose, either.
pub(crate) fn sever() -> ! {
    tracing::error!("process 0 of the cluster did not end in time: ending without it");
    eprintln!("vitrine: process 0 of the cluster did not end in time; ending the process without it");
    std::process::exit(STATUS)
}
