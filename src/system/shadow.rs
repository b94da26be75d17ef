//! The shadow: what its lists are made with, and the observers of events, which count its hits among others.

use std::sync::Arc;
use std::time::Duration;

use dataflow::ids::UserKey;
use dataflow::index_reader::IndexReader;
use dataflow::source_status::{EventObserver, ReadEvent, SourceRegistry};
use query_server::ShadowLists;
use recommend::shadow::{Compared, ListMaker, ShadowHits};
use recommend::{Online, Recommender};

use crate::clock::WallClock;
use crate::config::Config;

/// Observers that see every event, one after another.
struct Observers(Vec<Arc<dyn EventObserver>>);

impl EventObserver for Observers {
    fn read(&self, event: &ReadEvent<'_>) {
        self.0.iter().for_each(|observer| observer.read(event));
    }

    fn sees_orders(&self) -> bool {
        self.0.iter().any(|observer| observer.sees_orders())
    }

    fn ordered(&self, line: &ReadEvent<'_>) {
        self.0.iter().for_each(|observer| observer.ordered(line));
    }

    fn erased(&self, user: UserKey) {
        self.0.iter().for_each(|observer| observer.erased(user));
    }
}

/// The counts of hits, if the shadow is on.
pub(super) fn hits(config: &Config) -> Option<Arc<ShadowHits>> {
    let clock = || Arc::new(WallClock::new(Duration::from_millis(config.dataflow.forward_jump_max_ms)));
    config.rules.shadow.enabled.then(|| Arc::new(ShadowHits::new(clock())))
}

/// The status of the sources, observed by the counts that are on.
pub(super) fn registry(online: Option<&Arc<Online>>, hits: Option<&Arc<ShadowHits>>) -> SourceRegistry {
    let online = online.map(|online| online.clone() as Arc<dyn EventObserver>);
    let observers: Vec<_> = online.into_iter().chain(hits.map(|hits| hits.clone() as _)).collect();
    if observers.is_empty() {
        SourceRegistry::default()
    } else {
        SourceRegistry::observed_by(Arc::new(Observers(observers)))
    }
}

/// The lists of the shadow, if it is on; from now on the hits of both sets are counted. `live`: what the lists of the shop are
/// made with.
pub(super) fn lists(
    live: ListMaker,
    hits: Option<Arc<ShadowHits>>,
    recommender: impl Fn(&IndexReader) -> Arc<Recommender>,
) -> Option<ShadowLists> {
    let (hits, reader) = hits.zip(live.reader.in_shadow())?;
    let lists = ListMaker { recommender: recommender(&reader), reader };
    hits.compare(Compared { live, shadow: lists.clone() });
    Some(ShadowLists { lists, hits })
}
