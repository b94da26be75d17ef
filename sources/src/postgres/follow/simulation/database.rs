//! The database in memory that a simulated source follows.

use dataflow::feed::StreamFingerprint;
use dataflow::time::Millis;

use crate::postgres::names::SourceTable;

/// The table `products`; its key is `product_id`. Also its number in arrays of all three tables.
pub const PRODUCTS: u32 = SourceTable::Products as u32;

/// The table `orders`; its key is `order_id`.
pub const ORDERS: u32 = SourceTable::Orders as u32;

/// The table `order_items`; its key is `line_id`.
pub const ORDER_ITEMS: u32 = SourceTable::OrderItems as u32;

/// The state of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulatedSlot {
    /// There is none.
    Missing,
    /// The server has removed the log that the slot needs.
    Lost,
    /// A reader may continue from here or from any later place.
    At(i64),
}

/// The definition of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Changes with every statement that rewrites all rows, or changes a used column.
    pub version: u32,
    /// A used column is missing.
    pub broken: bool,
}

/// A server that is asked on the calling thread.
pub trait Database {
    /// The server's identity.
    fn fingerprint(&self) -> StreamFingerprint;

    /// Where its log ends.
    fn end(&self) -> i64;

    /// The tables, by number.
    fn definitions(&self) -> [Definition; 3];

    /// Whether the publication has all tables that are not broken.
    fn is_published(&self) -> bool;

    /// The slot.
    fn slot(&self) -> SimulatedSlot;

    /// Removes the slot, then makes the publication fit where that is asked for.
    fn prepare(&mut self, publish: bool);

    /// Makes a slot; returns its place.
    fn make_slot(&mut self) -> i64;

    /// The rows of a table as of the slot that was made last, as COPY writes them, with the columns of the key behind the
    /// used ones of `order_items`. Orders created at `cutoff` or before are left out, and their lines.
    fn copy(&self, table: u32, cutoff: Millis) -> Vec<u8>;

    /// The log comes from `from` on.
    fn start(&mut self, from: i64);

    /// Everything before `place` may be forgotten.
    fn confirm(&mut self, place: i64);
}
