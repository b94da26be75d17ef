//! Sessions with the server, for questions and for its log: every wait has a limit.

pub(crate) mod blockers;
pub(crate) mod connection;
pub(crate) mod encrypted;
pub(crate) mod error;
pub(crate) mod error_text;
pub(crate) mod hosts;
pub(crate) mod liveness;
pub(crate) mod lsn;
pub(crate) mod replication;
pub(crate) mod server_role;
pub(crate) mod socket_limits;
pub(crate) mod statement_monitor;
pub(crate) mod wait_limits;
