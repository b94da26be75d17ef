//! The declaration of a published index, and the functions that every index gets from it.
//!
//! An [`Index`] provides its publishing, compaction and frontier, its size in status and metrics, and reading as of a
//! time. A [`List`] also provides its changes for the change feed, and its rows in exports and answers.

mod copies;
mod touching;
pub(super) mod wiring;

use differential_dataflow::difference::Monoid;
use differential_dataflow::{AsCollection, ExchangeData, VecCollection};
use timely::dataflow::operators::vec::Broadcast;

use self::copies::per_process;
use super::Declared;
use super::Indexes;
use super::shape::{Column, Value};
use super::touched::TouchedList;
use crate::ids::ProductKey;
use crate::merchandising::MerchList;
use crate::rules::Rules;
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, Storable, ValBatch, by_key_in_place};

pub use crate::publish::snapshot::IndexBatches;
pub use wiring::Wiring;

/// Which workers hold an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Each key is in the one worker that it routes to.
    Sharded,
    /// Every process holds the whole index, and each key is in one worker of each process.
    PerProcess,
    /// Every worker holds the whole index.
    Replicated,
}

/// The declaration of a published index.
pub trait Index: Declared + 'static {
    /// The name in status, metrics and profiles.
    const NAME: &'static str;
    /// Which workers hold the index.
    const PLACEMENT: Placement;
    /// The key of its rows.
    type Key: ExchangeData + Copy;
    /// A row as readers get it; the rows of a key are in their natural order.
    type Row: ExchangeData + Copy;
    /// A row as it is stored.
    type Stored: ExchangeData + Copy;
    /// The difference of a stored row: a number of copies, or a number that belongs to the row.
    type Count: ExchangeData + Monoid + Storable + Copy;

    /// Whether stored rows are in the order of the rows that readers get.
    const IN_ORDER: bool = true;

    /// Whether features are read from it. A graph of features alone has no other index.
    const OF_FEATURES: bool = false;

    /// Whether the index is built.
    fn is_on(_rules: &Rules) -> bool {
        true
    }

    /// The number that routes a key to a worker.
    fn route(key: &Self::Key) -> u64;

    /// The row that a stored row with this count stands for, with its number of copies; `None` if readers do not get
    /// it. Without a bound on the rows of a key, the number of copies is the count.
    fn read(stored: &Self::Stored, count: Self::Count) -> Option<(Self::Row, Diff)>;

    /// How many rows of a key readers get at most.
    fn rows_max(_rules: &Rules) -> usize {
        usize::MAX
    }

    /// Connects the index to its inputs.
    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self>
    where
        Self: Sized;

    /// The list that changes with the rows of a key; none for an index from which sinks make no list.
    const TOUCHES: Option<fn(&Self::Key) -> TouchedList> = None;

    /// The product whose deletion hides a row from readers if `rules.deleted_products` says so; `None` for an index
    /// from which the graph removes such rows itself.
    fn hidden_with(_row: &Self::Row) -> Option<ProductKey> {
        None
    }

    /// The batches that a reader of the shadow gets: those of this index, unless the shadow has its own.
    fn in_shadow(indexes: &Indexes<IndexBatches>) -> &Vec<ValBatch<Self::Key, Self::Stored, Self::Count>> {
        indexes.get::<Self>()
    }
}

/// An index whose rows are shown to people.
pub trait List: Index + AsChange {
    /// The name of the key.
    const KEY: &'static str;
    /// The columns of a row.
    const COLUMNS: &'static [Column];
    /// The values of a row, one for each column.
    type Values: AsRef<[Value]>;

    /// The values of a row's columns.
    fn values(row: &Self::Row) -> Self::Values;

    /// The key of a list as a value; `None` for a list over everything.
    fn subject(key: &Self::Key) -> Option<Value>;

    /// The product of a row.
    fn product(row: &Self::Row) -> ProductKey;

    /// The name of a key's list in merchandising rules, if readers of the published list apply pins, buries and caps.
    fn merch_list(_key: &Self::Key) -> Option<MerchList> {
        None
    }

    /// The row of a pinned product with this number of buyers, for a list with such rules.
    fn pinned(_product: ProductKey, _buyers: u64) -> Option<Self::Row> {
        None
    }

    /// The name of a key's list in exports.
    fn export_name(_key: &Self::Key) -> &'static str {
        Self::NAME
    }
}

/// Changes of an index's rows.
pub type RowChanges<'s, I> = VecCollection<'s, Time, (<I as Index>::Key, <I as Index>::Row), Diff>;

/// The stored rows of an index, arranged in the workers that hold them.
pub type StoredRows<'s, I> = ByKey<'s, <I as Index>::Key, <I as Index>::Stored, <I as Index>::Count>;

/// An index and its wiring.
pub struct Published<'s, I: Index> {
    /// The rows, in the workers that publish them.
    pub(super) rows: StoredRows<'s, I>,
    /// The changes of the rows, each once in the cluster; empty unless a sink takes the changes of lists.
    pub(super) changes: Option<RowChanges<'s, I>>,
}

impl<'s, I: Index> Published<'s, I> {
    /// An index whose rows are in the worker that they route to. `changes` is called if a sink takes the changes.
    pub fn sharded(wiring: &Wiring<'s>, rows: StoredRows<'s, I>, changes: impl FnOnce() -> RowChanges<'s, I>) -> Self {
        Published { rows, changes: wiring.changes_wanted().then(changes) }
    }

    /// An index that people do not see as a list, whose rows are in the worker that they route to.
    pub fn unlisted(rows: StoredRows<'s, I>) -> Self {
        Published { rows, changes: None }
    }

    /// An index that is complete in every process. `rows` are in the worker of all processes that they route to;
    /// `changes` is called if a sink takes the changes of lists.
    pub fn per_process(
        wiring: &Wiring<'s>,
        rows: StoredRows<'s, I>,
        changes: Option<&dyn Fn() -> RowChanges<'s, I>>,
    ) -> Self {
        let changes = changes.filter(|_| wiring.changes_wanted()).map(|changes| changes());
        Published { rows: per_process(rows, wiring.place(), I::route, I::NAME), changes }
    }
}

impl<'s, R: ExchangeData, I: Index<Row = R, Stored = R, Count = Diff>> Published<'s, I> {
    /// An index of which every worker has a copy.
    pub fn replicated(wiring: &Wiring<'s>, rows: RowChanges<'s, I>) -> Self {
        Published::replicated_as(wiring, rows.clone(), || rows)
    }

    /// The same for an index whose changes for sinks are not those of its rows; `changes` is called if a sink takes them.
    pub fn replicated_as(
        wiring: &Wiring<'s>,
        rows: RowChanges<'s, I>,
        changes: impl FnOnce() -> RowChanges<'s, I>,
    ) -> Self {
        let changes = wiring.changes_wanted().then(changes);
        Published { rows: by_key_in_place(rows.inner.broadcast().as_collection(), I::NAME), changes }
    }
}

/// Turns a row of a list into a change for the change feed.
pub trait AsChange: Sized {
    /// The row as a change.
    fn change(key: <Self as Index>::Key, row: <Self as Index>::Row) -> super::Change
    where
        Self: Index;
}

/// Declares the indexes of the graph: those that people see, and the others.
macro_rules! declare_indexes {
    (
        lists { $($list:ident: $list_name:ident),+ $(,)? }
        others { $($other:ident: $other_name:ident),+ $(,)? }
    ) => {
        declare_each!(Index in
            /// One value for each published index.
            Indexes: $($list: $list_name,)+ $($other: $other_name),+
        );

        /// A row that enters or leaves a list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum Change {
            $(#[doc = concat!("A row of the index `", stringify!($list), "`.")]
            $list_name(<$list_name as Index>::Key, <$list_name as Index>::Row),)+
        }

        /// Reads a change as a row of its list.
        pub trait ReadChange {
            /// The result of reading.
            type Output;

            /// Reads a row of `L`.
            fn read<L: List>(self, key: &L::Key, row: &L::Row) -> Self::Output;
        }

        impl Change {
            /// Reads the row as a row of its list.
            pub fn read<R: ReadChange>(&self, reader: R) -> R::Output {
                match self {
                    $(Change::$list_name(key, row) => reader.read::<$list_name>(key, row),)+
                }
            }
        }

        $(impl index::AsChange for $list_name {
            fn change(key: <Self as Index>::Key, row: <Self as Index>::Row) -> Change {
                Change::$list_name(key, row)
            }
        })+

        /// Visits all lists.
        pub trait EachList {
            /// Visits the list `L`.
            fn list<L: List>(&mut self);
        }

        /// Calls `each` with all lists, in the order of their declarations.
        pub fn each_list(each: &mut impl EachList) {
            $(each.list::<$list_name>();)+
        }
    };
}
pub(crate) use declare_indexes;
