//! Base tables: the rows that sources give, from which everything else is computed.
//!
//! A table is declared once, in a file of its own under `tables/` and in the list below. The declaration provides the
//! table's input, its arrangement, its part of a cut ([`crate::cut`]), its delta log, its columns in a checkpoint, and
//! its restoring.

pub mod catalogue;
pub mod columns;
pub mod erasures;
pub mod event_purchases;
pub mod identities;
pub mod interactions;
pub mod lines;
pub mod merch_rules;
pub mod metadata_values;
pub mod orders;
pub mod session_events;
pub mod stamps;

use differential_dataflow::ExchangeData;
use differential_dataflow::VecCollection;

use crate::declare::declare_each;
use crate::ids::{ProductKey, UserKey};
use crate::rules::Rules;
use crate::time::{Millis, Time};
use crate::trace::arranged::{ByKey, EraseRule, KeepFirst, RetainRule, Storable, ValBatch, ValTrace};

pub use catalogue::{Catalogue, CatalogueRow};
pub use columns::{ColumnReader, ColumnWriter, Columns};
pub use erasures::{ErasedUntil, Erasures};
pub use event_purchases::{EventPurchaseRow, EventPurchases};
pub use identities::Identities;
pub use interactions::{Activity, Interaction, Interactions};
pub use lines::{LineRow, Lines};
pub use merch_rules::MerchRules;
pub use metadata_values::{MetadataValues, ValueTally};
pub use orders::{OrderRow, Orders, Placed};
pub use session_events::{SessionEvent, SessionEvents};
pub use stamps::Stamps;

/// The declaration of a base table.
pub trait Table: Declared + 'static {
    /// The name, in manifests, messages and profiles.
    const NAME: &'static str;
    /// The number in files of checkpoints. It never changes.
    const NUMBER: u8;
    /// The key by which rows are arranged and routed to their worker.
    type Key: ExchangeData + Columns + Copy;
    /// The other fields of a row.
    type Value: ExchangeData + Columns + Copy;
    /// The difference of an update: a number of copies, or a state of its own.
    type Diff: ExchangeData + Storable + Columns + Copy;
    /// A row as sources give it.
    type Row: From<(Self::Key, Self::Value)> + Into<(Self::Key, Self::Value)>;

    /// The number that routes a key to its worker.
    fn route(key: &Self::Key) -> u64;

    /// For a table whose rows leave it by themselves: from which time on a row is no longer in it, and the difference that
    /// takes this update out, which is given in a tick.
    #[must_use]
    fn expiry(_: &Pair<Self>, _: &Self::Diff, _: (&Rules, Time)) -> Option<(Millis, Self::Diff)> {
        None
    }

    /// Whether rows leave it by the time that the sources have reached which are behind, and not by the tick.
    const LEAVES_AS_READ: bool = false;

    /// Whether the updates of a row in one tick may be combined before the graph has them. They must not if each of them
    /// has a time of its own that an erasure is compared with, and the sum has not.
    const COMBINES: bool = true;

    /// Whether features are made from its rows. A graph of features alone has no rows of other tables.
    const OF_FEATURES: bool = false;

    /// The rule by which the rows of an erased user leave the table; by default no row is of a user.
    #[must_use]
    fn erasure() -> Option<EraseRule<Self::Key, Self::Value, Self::Diff>> {
        None
    }

    /// The rule by which rows of users leave the table a number of days after their latest events; by default they stay. Only for
    /// tables with an [`erasure`](Table::erasure), and none of their rows may be given when it would have left.
    #[must_use]
    fn retention(_: &Rules) -> Option<RetainRule<Self::Diff>> {
        None
    }

    /// The difference of a row in a cut; `None` if the row holds nothing.
    #[must_use]
    fn in_cut(diff: Self::Diff) -> Option<Self::Diff> {
        Some(diff)
    }

    /// The rule by which the table's arrangement forgets rows that can no longer matter; by default it keeps all rows.
    #[must_use]
    fn kept(_: &Rules) -> Option<KeepFirst<Self::Value, Self::Diff>> {
        None
    }

    /// The user whose row it is, and the row's time; `None` if it is nobody's. By default as the rule of erasures says.
    #[must_use]
    fn subject(key: &Self::Key, value: &Self::Value, diff: &Self::Diff) -> Option<(UserKey, Millis)> {
        Self::erasure().and_then(|rule| (rule.subject)(key, value, diff))
    }

    /// Whether rows refer to ids that the dictionary must not forget: those of their [`subject`](Table::subject) and of their
    /// [`products`](Table::products).
    const REFERS: bool = true;

    /// The products that a row refers to; by default none.
    #[must_use]
    fn products(_: &Self::Key, _: &Self::Value, _: &Self::Diff) -> [Option<ProductKey>; 2] {
        [None; 2]
    }
}

declare_each!(Table in
    /// One value for each base table.
    Tables:
    stamps: Stamps,
    orders: Orders,
    lines: Lines,
    catalogue: Catalogue,
    interactions: Interactions,
    event_purchases: EventPurchases,
    identities: Identities,
    merch_rules: MerchRules,
    erasures: Erasures,
    session_events: SessionEvents,
    metadata_values: MetadataValues,
);

/// A row of a table as it is arranged.
pub type Pair<T> = (<T as Table>::Key, <T as Table>::Value);

/// Rows with their differences.
pub type Rows<T> = Vec<(Pair<T>, <T as Table>::Diff)>;

/// The rows as they arrive.
pub(crate) struct Collections<'s>(std::marker::PhantomData<&'s ()>);

impl<'s> Family for Collections<'s> {
    type Of<T: Table> = VecCollection<'s, Time, Pair<T>, T::Diff>;
}

/// The rows by key, in the worker that the key routes to.
pub(crate) struct Arrangements<'s>(std::marker::PhantomData<&'s ()>);

impl<'s> Family for Arrangements<'s> {
    type Of<T: Table> = ByKey<'s, T::Key, T::Value, T::Diff>;
}

/// Handles on the arrangements.
pub(crate) struct Traces;

impl Family for Traces {
    type Of<T: Table> = ValTrace<T::Key, T::Value, T::Diff>;
}

/// Batches of the arrangements.
pub(crate) struct Batches;

impl Family for Batches {
    type Of<T: Table> = Vec<ValBatch<T::Key, T::Value, T::Diff>>;
}

/// Updates, with the tick in which they were given.
pub(crate) struct Updates;

impl Family for Updates {
    type Of<T: Table> = Vec<(Pair<T>, Time, T::Diff)>;
}
