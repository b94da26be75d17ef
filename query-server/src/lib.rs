//! The HTTP server: lists straight from the published indexes, events and removals, and operations.
//!
//! ```text
//! accept ─▶ serving threads ─▶ hyper ─▶ dispatch ─┬▶ hot ────┬▶ endpoints ─▶ answer ─▶ the shop
//!           (one runtime each)                    └▶ router ─┘  ├▶ IndexReader: reads, never waits
//!                                                    (axum)     ├▶ VisibilityWaits: wait until a position is visible
//!                                                               ├▶ Forward: the process that holds the user
//!                                                               └▶ EventWriter: durable events and removals
//! ```
//! Each endpoint is one file in `endpoints` with one declaration (`endpoint`). The hot paths, the router, the metrics
//! and the OpenAPI document are derived from the table of declarations. [`serve`] starts the server, [`Settings`] bounds
//! it, [`App`] is the state that it serves. Only `answer` knows the shapes of answers, and only an [`EventWriter`] the
//! shapes of events.

mod access;
mod admission;
mod answer;
mod answer_ids;
mod app;
mod audit;
mod body;
mod buffers;
mod categories;
mod connection_state;
mod cors;
mod counters;
mod dispatch;
mod endpoint;
mod endpoints;
mod envelope;
mod event_writer;
mod feature_parameters;
mod forward;
mod header_names;
mod hot;
mod ids;
mod limits;
mod metrics;
mod openapi;
mod operations;
mod parameter;
mod parameters;
mod problem;
mod push;
mod read_state;
mod readiness;
mod reply;
mod request;
mod request_body;
mod router;
mod row_parameters;
mod scope;
mod server;
mod settings;
mod shadow_report;
mod shutdown;
mod tls;
mod token;
mod transfer_parameters;
mod visibility;

pub use access::{Access, Key, KeyId, Rate, Token};
pub use app::{
    AlsStatus, App, ArchiveStatus, ArchivedPartition, ContentStatus, DataCopy, Floor, LastCheckpoint, Peers,
    RefusedProduct, ShadowLists, SinkStatus,
};
pub use audit::{AuditEntry, AuditLog, AuditUnavailable};
pub use cors::is_origin;
pub use event_writer::{BoxFuture, EventWriter, InvalidEvent, WriteError};
pub use scope::{Scope, ScopeSet};
pub use server::{Running, StartError, Starting, ThreadPanicked, serve};
pub use settings::Settings;
pub use shutdown::Shutdown;
pub use tls::{Pem, Tls, TlsError};
