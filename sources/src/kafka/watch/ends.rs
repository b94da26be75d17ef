//! The first offset and the end of many partitions, in two requests a broker.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka::assignments::PartitionId;
use crate::kafka::client::Consumer;
use crate::kafka::fingerprint::Ends;

/// The ends of these partitions. Under `read_committed` the high one is where the first open transaction starts.
pub(super) fn ends<'a>(
    consumer: &Consumer,
    ids: impl Iterator<Item = &'a PartitionId> + Clone,
    timeout: Duration,
) -> KafkaResult<BTreeMap<PartitionId, Ends>> {
    if ids.clone().next().is_none() {
        return Ok(BTreeMap::new());
    }
    let lows = offsets(consumer, ids.clone(), Offset::Beginning, timeout)?;
    let highs = offsets(consumer, ids.clone(), Offset::End, timeout)?;
    let both = |id: &PartitionId| Some((id.clone(), Ends { low: *lows.get(id)?, high: *highs.get(id)? }));
    Ok(ids.filter_map(both).collect())
}

/// Brokers accept `Beginning` and `End` instead of a time.
fn offsets<'a>(
    consumer: &Consumer,
    ids: impl Iterator<Item = &'a PartitionId> + Clone,
    which: Offset,
    timeout: Duration,
) -> KafkaResult<BTreeMap<PartitionId, i64>> {
    let mut request = TopicPartitionList::new();
    for id in ids.clone() {
        request.add_partition_offset(&id.topic, id.partition, which)?;
    }
    let answer = consumer.offsets_for_times(request, timeout)?;
    let mut offsets = BTreeMap::new();
    for id in ids {
        let Some(element) = answer.find_partition(&id.topic, id.partition) else { continue };
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            offsets.insert(id.clone(), offset);
        }
    }
    Ok(offsets)
}
