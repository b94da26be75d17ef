//! Hostile input to the whole system: whatever stands in its files or comes over its sockets, it refuses what is wrong by
//! name, shows what is right, and goes on.

#[path = "hostile/dice.rs"]
mod dice;
#[path = "hostile/events.rs"]
mod events;
#[path = "hostile/mutation.rs"]
mod mutation;
#[path = "hostile/requests.rs"]
mod requests;
#[path = "support/shop.rs"]
mod shop;
