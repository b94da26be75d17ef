//! The server over real TCP, on a real engine: every row of the contract, every error, every bound.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

mod access;
mod away;
mod batches;
mod buy_again;
mod client;
mod connections;
mod content;
mod cors;
mod documentation;
mod erasure;
mod events;
mod features;
mod followed_features;
mod for_you;
mod forwarding;
mod freshness;
mod hang_ups;
mod hostile;
mod legacy;
mod limits;
mod log;
mod models;
mod online;
mod operations;
mod plain;
mod push;
mod records;
mod removal;
mod rows;
mod rules;
mod shadow;
mod shelves;
mod shop;
mod similar;
mod starting;
mod tls;
mod transfers;
mod visitor;
