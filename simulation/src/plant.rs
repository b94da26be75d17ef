//! Bugs that are planted to check that the simulation finds them. Each is in a fake or in an adapter around the real
//! code, never in the product.

use std::fmt;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Plant {
    /// Positions are acknowledged upstream before the checkpoint that holds them is durable.
    AcknowledgeBeforeCheckpoint,
    /// Reading of a partition continues after the stored position, not at it (`>` for `>=`).
    ResumeBehind,
    /// The slot's restart LSN is used as its confirmed flush LSN.
    RestartLsn,
    /// Without a usable position, reading starts at the end.
    ResetToLatest,
    /// A topic of the same name is treated as the same topic.
    IgnoredTopicId,
    /// Partitions that are added later are not seen.
    IgnoredNewPartition,
    /// The tables are read as of a time before the slot's place in the log.
    SnapshotBeforeSlot,
    /// Files get their names before their content is synchronised.
    RenameBeforeFsync,
    /// The content of files is never synchronised.
    FsyncIgnored,
    /// An UPDATE of a key does not remove the row with the old key.
    KeyUpdateWithoutRetraction,
    /// TRUNCATE is ignored.
    TruncateDropped,
    /// A check of the tables does not notice that a table was redefined.
    DefinitionUnseen,
    /// A check of the publication does not notice that a table has left it.
    PublicationUnseen,
    /// A DELETE is answered before its removal is in the log.
    DeleteBeforeDurable,
    /// A process that restarts from a checkpoint does not recognise repeats of events.
    RepeatCounted,
    /// Erasures that were read are not read again by a process that restarts from an older checkpoint.
    ErasedUserRestored,
    /// A process that starts reads the erasures of the past no earlier than the events of the past.
    ErasureReadLate,
    /// A process that goes on from a checkpoint counts views that had left their histories because of their age.
    RetiredPairReturns,
    /// Hidden products are left out of the lists that are shown, after their first rows were taken.
    HideAfterTake,
    /// The end of a merchandising rule is ignored.
    RuleEndIgnored,
    /// Features before a time include events shortly after it.
    ValueFromFuture,
    /// The process panics when the server has removed log that the process needs.
    Panic,
}

impl Plant {
    /// All planted bugs.
    pub const ALL: [Plant; 22] = [
        Plant::AcknowledgeBeforeCheckpoint,
        Plant::ResumeBehind,
        Plant::RestartLsn,
        Plant::ResetToLatest,
        Plant::IgnoredTopicId,
        Plant::IgnoredNewPartition,
        Plant::SnapshotBeforeSlot,
        Plant::RenameBeforeFsync,
        Plant::FsyncIgnored,
        Plant::KeyUpdateWithoutRetraction,
        Plant::TruncateDropped,
        Plant::DefinitionUnseen,
        Plant::PublicationUnseen,
        Plant::DeleteBeforeDurable,
        Plant::RepeatCounted,
        Plant::ErasedUserRestored,
        Plant::ErasureReadLate,
        Plant::RetiredPairReturns,
        Plant::HideAfterTake,
        Plant::RuleEndIgnored,
        Plant::ValueFromFuture,
        Plant::Panic,
    ];
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = clap::ValueEnum::to_possible_value(self);
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}
