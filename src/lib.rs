//! Vitrine: a real-time shelf engine for online shops.
//!
//! ```text
//!            ┌ kafka ┐                    ┌ history          ┐
//! sources ───┼ files ┼─▶ dataflow: graph ─┼ best sellers     ┼─▶ published indexes ─▶ query-server ─▶ the shop
//!    ▲       └ postgres                   └ catalogue        ┘            │                 │
//!    │                                                                    └─▶ changes      events, removals
//!    └──────────────── sinks: a durable log on Kafka or files ◀───────────────────────────────┘
//! ```
//! [`system`] puts these together; [`config`] holds every setting; [`commands`] is one file a command.

pub mod audit;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod encrypted_link;
pub mod event_writer;
pub mod generate;
pub mod keys;
pub mod learned;
pub mod logging;
pub mod system;
