//! The store: the shop's products, categories, users and purchases, where Vitrine itself keeps them.
//!
//! ```text
//! JSON, CSV ─▶ fields within bounds ─▶ rows ─▶ Store ┬▶ SQLite ─▶ triggers ─▶ changes ─▶ Follower ─▶ source
//!                                                    └▶ PostgreSQL ─▶ its own log ─▶ the source of any shop's tables
//! followed CSV files ─▶ their differences ─▶ SQLite
//! ```
//! A home of the store is an implementation of [`Store`]; `tests/contract.rs` states what each home must do. A write is
//! answered when it is durable, with the number of its change. Other tools may write to the tables too: triggers or the
//! server, not this program, keep the log of changes.

mod bounds;
mod decimal;
mod error;
mod export;
mod field;
mod follower;
mod given;
mod home;
mod import;
mod kind;
mod merge;
pub mod postgres;
mod queue;
mod reader;
mod row;
mod schema;
mod settings;
mod shop_file;
pub mod sqlite;
mod write;

pub use bounds::Bounds;
pub use error::{FAULTS_MAX, Fault, Refusal, StoreError};
pub use export::RowWriter;
pub use field::{Field, Shape};
pub use follower::{Follow, FollowError, Followed, Follower, Listed, Placed, TableRow};
pub use given::truth_of;
pub use home::{
    Action, BoxFuture, Condition, Filter, ListRequest, Repeatable, Store, Stored, Write, WriteRequest, Written, Wrote,
};
pub use import::{
    BadField, Encoding, FileContent, FileFormat, ImportMode, ImportReport, ImportRequest, Spool, SpoolError,
};
pub use kind::{ID_BYTES_MAX, Kind, LINES_MAX};
pub use row::{Category, Line, Product, Purchase, Row, Status, User};
pub use settings::{Settings, UnknownIds};
pub use shop_file::{LoadRequest, ShopFile};

/// Milliseconds since the epoch.
pub type Millis = i64;
