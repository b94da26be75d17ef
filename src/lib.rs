//! Vitrine: a real-time shelf engine for online shops.

pub mod cli;
pub mod commands;
pub mod config;
pub mod generate;
pub mod logging;
