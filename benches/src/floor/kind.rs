//! The bare consumers that are tried: how they take records, with which settings, and whether they parse.

use clap::{Args, ValueEnum};

/// One bare consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub(crate) struct FloorKind {
    #[arg(long)]
    pub(crate) take: Take,
    #[arg(long)]
    pub(crate) tuning: Tuning,
    /// Parse each record's JSON
    #[arg(long)]
    pub(crate) parse: bool,
}

/// How records are taken from librdkafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Take {
    /// One a call, from one queue of all partitions, as the binding does
    Poll,
    /// Many a call, from a queue for each partition
    Batch,
}

/// The settings of librdkafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tuning {
    /// The product's own
    Product,
    /// librdkafka's defaults, which check no CRC
    Usual,
    /// Queues of 256 MiB, and no CRC checked
    Large,
}

/// The settings of the product's own consumers.
const PRODUCT: [(&str, &str); 12] = [
    ("group.id", "floor"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("allow.auto.create.topics", "false"),
    ("check.crcs", "true"),
    ("socket.keepalive.enable", "true"),
    ("socket.nagle.disable", "true"),
    ("queued.max.messages.kbytes", "4096"),
    ("fetch.queue.backoff.ms", "1"),
    ("fetch.wait.max.ms", "100"),
];

const USUAL: [(&str, &str); 2] = [("group.id", "floor"), ("enable.auto.commit", "false")];

const LARGE: [(&str, &str); 5] = [
    ("group.id", "floor"),
    ("enable.auto.commit", "false"),
    ("check.crcs", "false"),
    ("queued.min.messages", "1000000"),
    ("queued.max.messages.kbytes", "262144"),
];

impl Tuning {
    /// The settings, by librdkafka's names.
    pub(crate) fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Tuning::Product => &PRODUCT,
            Tuning::Usual => &USUAL,
            Tuning::Large => &LARGE,
        }
    }
}

impl FloorKind {
    /// All of them.
    pub(crate) fn all() -> Vec<FloorKind> {
        let takes = Take::value_variants().iter();
        let tuned = takes.flat_map(|take| Tuning::value_variants().iter().map(move |tuning| (*take, *tuning)));
        tuned.flat_map(|(take, tuning)| [true, false].map(|parse| FloorKind { take, tuning, parse })).collect()
    }

    /// The name in figures, such as `batch_large_parse`.
    pub(crate) fn name(self) -> String {
        let parse = if self.parse { "parse" } else { "read" };
        format!("{}_{}_{parse}", word(self.take), word(self.tuning))
    }

    /// The arguments that ask for it.
    pub(crate) fn arguments(self) -> Vec<String> {
        let mut arguments = vec![format!("--take={}", word(self.take)), format!("--tuning={}", word(self.tuning))];
        arguments.extend(self.parse.then(|| "--parse".to_owned()));
        arguments
    }
}

fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().expect("no value is hidden").get_name().to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        kind: FloorKind,
    }

    #[test]
    fn every_kind_has_a_name_of_its_own_and_is_asked_for_by_its_arguments() {
        let all = FloorKind::all();
        let names: std::collections::BTreeSet<_> = all.iter().map(|kind| kind.name()).collect();
        assert_eq!((all.len(), names.len()), (12, 12));
        for kind in all {
            let arguments = std::iter::once("floor".to_owned()).chain(kind.arguments());
            assert_eq!(Line::try_parse_from(arguments).unwrap().kind, kind);
        }
    }
}
