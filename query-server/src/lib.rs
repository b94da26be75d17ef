//! The HTTP side of Vitrine: shelves answered straight from the published indexes, events taken in, and operations.
//!
//! ```text
//! accept ─▶ serving threads ─▶ hyper ─▶ dispatch ─▶ route ─▶ endpoints ─▶ answer ─▶ the shop
//!           (one runtime each)                               ├─▶ IndexReader: a glance, no waiting
//!                                                            ├─▶ Waits: until a position is visible
//!                                                            ├─▶ Forward: the process that holds the user
//!                                                            └─▶ EventWriter: events and removals, durable
//! ```
//! [`serve`] starts it, [`Settings`] bounds it, [`App`] is what it answers from. Only `answer` knows wire shapes; what
//! an event looks like is known to whoever implements [`EventWriter`].

mod answer;
mod app;
mod body;
mod dispatch;
mod endpoints;
mod event_writer;
mod forward;
mod incoming;
mod limits;
mod metrics;
mod parameters;
mod path;
mod problem;
mod route;
mod scratch;
mod server;
mod settings;
mod shared;
mod token;
mod waits;

pub use app::{App, Floor, LastCheckpoint, Peers};
pub use event_writer::{BoxFuture, EventWriter, NotTaken, Refused};
pub use server::shutdown::Shutdown;
pub use server::{Running, StartError, ThreadPanicked, serve};
pub use settings::Settings;
