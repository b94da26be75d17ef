//! Hostile input to the whole system, in files and over sockets: the system refuses each bad record with a reason,
//! shows all good records, and continues.

mod events;
mod mutation;
mod requests;
