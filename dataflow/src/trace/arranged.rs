//! The arrangements of this graph, and the two ways to make one: in the worker that has the rows, or after routing by a
//! number.

use differential_dataflow::difference::Semigroup;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::implementations::merge_batcher::MergeBatcher;
use differential_dataflow::trace::implementations::ord_neu::{OrdKeyBatch, OrdKeyBuilder, OrdValBatch, OrdValBuilder};
use differential_dataflow::trace::implementations::spine_fueled::Spine;
use differential_dataflow::trace::implementations::{ContainerChunker, Vector};
use differential_dataflow::{ExchangeData, VecCollection};
use timely::dataflow::channels::pact::{Exchange, Pipeline};

use super::appending::Appending;
use super::shared::{Shared, SharedBuilder};
use crate::time::Time;

/// A batch of (key, value) updates.
pub type ValBatch<K, V, R> = Shared<OrdValBatch<Vector<((K, V), Time, R)>>>;
/// Builds a [`ValBatch`] from ordered updates.
pub type ValBuilder<K, V, R> = SharedBuilder<OrdValBuilder<Vector<((K, V), Time, R)>, Vec<((K, V), Time, R)>>>;
/// The trace of (key, value) updates.
pub type ValTrace<K, V, R> = TraceAgent<Spine<ValBatch<K, V, R>>>;
/// Rows arranged by key, with values.
pub type ByKey<'s, K, V, R> = Arranged<'s, ValTrace<K, V, R>>;

/// A batch of key updates.
pub type KeyBatch<K, R> = Shared<OrdKeyBatch<Vector<((K, ()), Time, R)>>>;
/// The trace of key updates.
pub type KeyTrace<K, R> = TraceAgent<Spine<KeyBatch<K, R>>>;
/// Rows arranged by themselves, without values.
pub type BySelf<'s, K, R> = Arranged<'s, KeyTrace<K, R>>;

type KeyBuilder<K, R> = SharedBuilder<OrdKeyBuilder<Vector<((K, ()), Time, R)>, Vec<((K, ()), Time, R)>>>;
type Batcher<D, R> = MergeBatcher<Appending<D, Time, R>>;
type Rows<'s, K, V, R> = VecCollection<'s, Time, (K, V), R>;

/// Arranges rows by key in the worker that has them.
pub fn by_key_in_place<'s, K, V, R>(rows: Rows<'s, K, V, R>, name: &str) -> ByKey<'s, K, V, R>
where
    K: ExchangeData,
    V: ExchangeData,
    R: ExchangeData + Semigroup,
{
    arrange_core::<
        _,
        _,
        ContainerChunker<Vec<((K, V), Time, R)>>,
        Batcher<(K, V), R>,
        ValBuilder<K, V, R>,
        Spine<ValBatch<K, V, R>>,
    >(rows.inner, Pipeline, name)
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
    R: ExchangeData + Semigroup,
{
    let route = Exchange::new(move |((key, _), _, _): &((K, V), Time, R)| route(key));
    arrange_core::<
        _,
        _,
        ContainerChunker<Vec<((K, V), Time, R)>>,
        Batcher<(K, V), R>,
        ValBuilder<K, V, R>,
        Spine<ValBatch<K, V, R>>,
    >(rows.inner, route, name)
}

/// Arranges rows by themselves in the worker that has them.
pub fn by_self_in_place<'s, K, R>(rows: VecCollection<'s, Time, K, R>, name: &str) -> BySelf<'s, K, R>
where
    K: ExchangeData,
    R: ExchangeData + Semigroup,
{
    arrange_core::<
        _,
        _,
        ContainerChunker<Vec<((K, ()), Time, R)>>,
        Batcher<(K, ()), R>,
        KeyBuilder<K, R>,
        Spine<KeyBatch<K, R>>,
    >(rows.map(|key| (key, ())).inner, Pipeline, name)
}

/// Routes each row to the worker that `route` names, and arranges by the row itself there.
pub fn by_self<'s, K, R>(
    rows: VecCollection<'s, Time, K, R>,
    name: &str,
    route: impl Fn(&K) -> u64 + 'static,
) -> BySelf<'s, K, R>
where
    K: ExchangeData,
    R: ExchangeData + Semigroup,
{
    let route = Exchange::new(move |((key, ()), _, _): &((K, ()), Time, R)| route(key));
    arrange_core::<
        _,
        _,
        ContainerChunker<Vec<((K, ()), Time, R)>>,
        Batcher<(K, ()), R>,
        KeyBuilder<K, R>,
        Spine<KeyBatch<K, R>>,
    >(rows.map(|key| (key, ())).inner, route, name)
}
