//! Why an append failed: permanently, or for now.

/// Why an append failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A record can never be written: trying again cannot help.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The log does not take records now: trying again can help.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A record can never be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The record is longer than the log's limit; nothing of the append was written.
    #[error("record {index} has {bytes} bytes, more than the limit of {bytes_max}")]
    TooLarge {
        /// The record's place in the append, from 0.
        index: usize,
        /// Key and payload together.
        bytes: usize,
        /// The limit of key and payload together.
        bytes_max: usize,
    },
    /// The broker refused a record because of the topic's rules. Other records of the append may be durable.
    #[error("topic {topic} refuses a record: {reason}")]
    ByBroker {
        /// The topic.
        topic: String,
        /// The broker's reason.
        reason: String,
        /// The record's place in the append, from 0, where it is known: brokers refuse batches.
        index: Option<usize>,
    },
}

/// The log does not take records now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The limit of waiting records is reached.
    #[error("too many records wait to be written")]
    Busy,
    /// The topic does not exist; this sink makes its own topics, but never the shop's.
    #[error("topic {topic} does not exist")]
    NoTopic {
        /// The topic.
        topic: String,
    },
    /// No acknowledgement by all of the topic's replicas in time, or an error that may pass.
    #[error("no acknowledgement for topic {topic}: {reason}")]
    Broker {
        /// The topic.
        topic: String,
        /// The reason given by librdkafka.
        reason: String,
    },
    /// The file cannot be written or synchronised.
    #[error("{file} cannot be written: {reason}")]
    Disk {
        /// The file's name, without its directory.
        file: String,
        /// The error of the system.
        reason: String,
    },
    /// There is no log to write to.
    #[error("neither [kafka] nor [files] is configured: there is nowhere to write events to")]
    Unconfigured,
    /// The log is being closed.
    #[error("the log is closed")]
    Closed,
}

impl Unavailable {
    /// Whether it is certain that no record of the append was written, nor will be.
    #[must_use]
    pub fn wrote_nothing(&self) -> bool {
        match self {
            Unavailable::Busy | Unavailable::NoTopic { .. } | Unavailable::Unconfigured => true,
            Unavailable::Broker { .. } | Unavailable::Disk { .. } | Unavailable::Closed => false,
        }
    }
}
