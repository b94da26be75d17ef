//! Bugs that are put in on purpose, to see that the simulation finds them. Each stands in a fake or in an adapter around
//! the real code, never in the product.

use std::fmt;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Plant {
    /// Positions are acknowledged upstream before the checkpoint that holds them is durable.
    AcknowledgeBeforeCheckpoint,
    /// A partition is read on behind the kept position, not at it (`>` for `>=`).
    ResumeBehind,
    /// The slot's restart LSN is taken for its confirmed flush LSN.
    RestartLsn,
    /// Where there is no position that can be used, reading starts at the end.
    ResetToLatest,
    /// A topic of the same name is taken for the topic it was.
    IgnoredTopicId,
    /// Partitions that are added later are not seen.
    IgnoredNewPartition,
    /// The tables are read as of a time before the slot's place.
    SnapshotBeforeSlot,
    /// Files get their names before their content is synchronised.
    RenameBeforeFsync,
    /// The content of files is never synchronised.
    FsyncIgnored,
    /// An UPDATE of a key does not take the row under the old key away.
    KeyUpdateWithoutRetraction,
    /// TRUNCATE is passed over.
    TruncateDropped,
    /// A look at the tables does not see that one was defined anew.
    DefinitionUnseen,
    /// A look at the publication does not see that a table has left it.
    PublicationUnseen,
    /// A DELETE is answered before its removal is in the log.
    DeleteBeforeDurable,
    /// The process panics when the server has thrown away the log it needs.
    Panic,
}

impl Plant {
    /// All of them.
    pub const ALL: [Plant; 15] = [
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
        Plant::Panic,
    ];
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = clap::ValueEnum::to_possible_value(self);
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}
