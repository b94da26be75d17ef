//! [`ValBuilder`]: makes a [`ValBatch`] from updates that come in the order of their keys and values.

use differential_dataflow::trace::{Builder, Description};
use timely::progress::Antichain;

use super::ValBatch;
use super::assembly::Assembly;
use super::storable::Storable;
use crate::time::Time;

/// Updates in the order of their keys, values and times.
type Chunk<K, V, R> = Vec<((K, V), Time, R)>;

/// Builds a batch from ordered updates.
pub struct ValBuilder<K, V, R: Storable> {
    assembly: Assembly<K, V, R>,
    /// The key and value of the latest update.
    open: Option<(K, V)>,
}

impl<K, V, R> Builder for ValBuilder<K, V, R>
where
    K: Ord + Clone + 'static,
    V: Ord + Clone + 'static,
    R: Storable,
{
    type Input = Chunk<K, V, R>;
    type Time = Time;
    type Output = ValBatch<K, V, R>;

    fn with_capacity(keys: usize, values: usize, updates: usize) -> Self {
        let all = || Antichain::from_elem(Time::MIN);
        let description = Description::new(all(), all(), all());
        ValBuilder { assembly: Assembly::new(keys, values, updates, description), open: None }
    }

    fn push(&mut self, chunk: &mut Self::Input) {
        let ValBuilder { assembly, open } = self;
        for ((key, value), time, diff) in chunk.drain(..) {
            match open {
                Some((open_key, open_value)) if *open_key == key => {
                    if *open_value != value {
                        assembly.end_value(open_value);
                        *open_value = value;
                    }
                }
                _ => {
                    if let Some((key, value)) = open.replace((key, value)) {
                        assembly.end_value(&value);
                        assembly.end_key(&key);
                    }
                }
            }
            assembly.gather(time, diff);
        }
    }

    fn done(mut self, description: Description<Time>) -> Self::Output {
        if let Some((key, value)) = self.open.take() {
            self.assembly.end_value(&value);
            self.assembly.end_key(&key);
        }
        self.assembly.done_as(description)
    }

    fn seal(chain: &mut Vec<Self::Input>, description: Description<Time>) -> Self::Output {
        let updates = chain.iter().map(Vec::len).sum();
        let mut builder = ValBuilder::with_capacity(count_keys(chain), updates, updates);
        for mut chunk in chain.drain(..) {
            builder.push(&mut chunk);
        }
        builder.done(description)
    }
}

/// The number of different keys.
fn count_keys<K: Eq, V, R>(chain: &[Chunk<K, V, R>]) -> usize {
    let keys = || chain.iter().flatten().map(|((key, _), _, _)| key);
    let changes = keys().zip(keys().skip(1)).filter(|(before, key)| before != key).count();
    changes + usize::from(keys().next().is_some())
}
