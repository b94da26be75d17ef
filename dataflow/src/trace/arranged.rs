//! The arrangements of this graph, and the two ways to make one: in the worker that has the rows, or after routing by a
//! number.

use differential_dataflow::{ExchangeData, VecCollection};
use timely::dataflow::channels::pact::{Exchange, Pipeline};

pub use super::batch::ValBatch;
pub use super::batch::builder::ValBuilder;
pub use super::batch::keep::KeepFirst;
pub use super::batch::packed::{Pack, PackedColumn, WHOLE, Word};
pub use super::batch::storable::{PlainColumn, Storable};
use super::erasing::Update;
pub use super::erasing::{EraseRule, HeldRow, UserRows};
pub use super::operator::{ByKey, ValTrace};
pub(crate) use super::operator::{ErasureStream, WithErasures};
use super::operator::{Rows, arrange, arrange_erasing};
pub use super::retaining::RetainRule;
use crate::time::Time;

/// Rows arranged by themselves, without values.
pub type BySelf<'s, K, R> = ByKey<'s, K, (), R>;

/// Arranges rows by key in the worker that has them.
pub fn by_key_in_place<'s, K, V, R>(rows: Rows<'s, K, V, R>, name: &str) -> ByKey<'s, K, V, R>
where
    K: ExchangeData,
    V: ExchangeData,
    R: ExchangeData + Storable,
{
    arrange(rows, Pipeline, None, name)
}

/// Routes each row to the worker that `route` names, and arranges by key there.
pub fn by_key<'s, K, V, R>(
    rows: Rows<'s, K, V, R>,
    name: &str,
    route: impl Fn(&K) -> u64 + 'static,
) -> ByKey<'s, K, V, R>
where
    K: ExchangeData,
    V: ExchangeData,
    R: ExchangeData + Storable,
{
    by_key_keeping(rows, name, route, None)
}

/// The same, and the arrangement forgets rows by the rule `keep`, if there is one.
pub fn by_key_keeping<'s, K, V, R>(
    rows: Rows<'s, K, V, R>,
    name: &str,
    route: impl Fn(&K) -> u64 + 'static,
    keep: Option<KeepFirst<V, R>>,
) -> ByKey<'s, K, V, R>
where
    K: ExchangeData,
    V: ExchangeData,
    R: ExchangeData + Storable,
{
    arrange(rows, Exchange::new(move |((key, _), _, _): &Update<K, V, R>| route(key)), keep, name)
}

/// The same without what erasures cover.
pub(crate) fn by_key_erasing<'s, K, V, R>(
    rows: Rows<'s, K, V, R>,
    name: &str,
    route: impl Fn(&K) -> u64 + 'static,
    keep: Option<KeepFirst<V, R>>,
    with: WithErasures<'s, K, V, R>,
) -> ByKey<'s, K, V, R>
where
    K: ExchangeData,
    V: ExchangeData,
    R: ExchangeData + Storable,
{
    arrange_erasing(rows, Exchange::new(move |((key, _), _, _): &Update<K, V, R>| route(key)), keep, with, name)
}

/// Routes each row to the worker that `route` names, and arranges by the row itself there.
pub fn by_self<'s, K, R>(
    rows: VecCollection<'s, Time, K, R>,
    name: &str,
    route: impl Fn(&K) -> u64 + 'static,
) -> BySelf<'s, K, R>
where
    K: ExchangeData,
    R: ExchangeData + Storable,
{
    by_key(rows.map(|key| (key, ())), name, route)
}
