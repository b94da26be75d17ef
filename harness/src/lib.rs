//! Real services for tests and benchmarks, started on loopback in temporary directories and stopped afterwards.
//!
//! ```text
//! kafka::Broker        one Kafka 4.1 node (KRaft)    ┐
//! postgres::Server     one PostgreSQL, logical WAL   ├─ process::Process ─ a watchdog ends it if the test dies
//!   and its standbys   each streams from another     │
//! chromium::Browser    one headless Chromium         ┘
//! proxy::Proxy         stalls, resets, redirects     ┐
//! silent::Silent       accepts and never answers     ┴─ loopback::Listener
//! pooler::Pooler       passes sessions on, and refuses those that replicate
//! http                 one blocking request          wait_until, wait_for, free_port
//! certificates         an authority and what it signs, made for each test
//! replace_file                                       for a file that a program reads meanwhile
//! python_program, node_program                       what the installer has put beside the services
//! Dice                 numbers that follow from a seed
//! Services             a broker, a database server and a directory for configurations
//! ```
//!
//! Everything here panics with a readable message instead of returning errors: a test that cannot start its
//! services has failed. Nothing sleeps for synchronisation; [`wait_until`] polls a condition up to a deadline.

pub mod certificates;
pub mod chromium;
mod dice;
mod files;
pub mod http;
mod installed;
pub mod kafka;
mod loopback;
pub mod pooler;
mod port;
pub mod postgres;
pub mod process;
mod program;
pub mod proxy;
mod services;
pub mod silent;
mod wait;
mod watchdog;

pub use dice::Dice;
pub use files::replace_file;
pub use installed::{node_program, python_program};
pub use port::free_port;
pub use process::Process;
pub use program::{clean, stderr, stdout};
pub use services::Services;
pub use wait::{wait_for, wait_until};
