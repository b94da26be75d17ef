//! Hostile input to the whole system: whatever stands in its files or comes over its sockets, it refuses what is wrong by
//! name, shows what is right, and goes on.

mod events;
mod mutation;
mod requests;
