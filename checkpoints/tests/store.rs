//! Checkpoints on a disk that loses what was not made durable, fills up and fails.
//!
//! What each part would catch: `crashes` a step of writing or removing that comes too early, at every operation of the
//! disk; `refusals` a full or failing disk, a later format, another key, a second writer; `damage` any changed byte that
//! is taken for a row; `erased` the id of an erased user in a later checkpoint; `forgotten` an id that leaves while a
//! row needs it; `parts` a checkpoint of a cluster that is
//! restored before it is whole; `real` the same on the machine's own file system.

#[path = "store/crashes.rs"]
mod crashes;
#[path = "store/damage.rs"]
mod damage;
#[path = "store/erased.rs"]
mod erased;
#[path = "store/forgotten.rs"]
mod forgotten;
#[path = "store/parts.rs"]
mod parts;
#[path = "store/real.rs"]
mod real;
#[path = "store/refusals.rs"]
mod refusals;
#[path = "store/shop.rs"]
mod shop;
