//! The archive of topics of a real broker.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

mod faulty_store;
mod first_start;
#[path = "../../../sources/tests/kafka/shop.rs"]
mod shop;
mod topics;
