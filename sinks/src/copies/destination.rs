//! Where a copy is kept: a topic or a table.

use dataflow::time::Time;

use super::list_name::ListName;
use super::rows::{CopiedRow, Digest};

/// A list in a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundList {
    /// Its name.
    pub name: String,
    /// The digest of its rows; none if these are no rows of a list, which no list equals.
    pub digest: Option<Digest>,
}

/// A list as it is to be from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct ListChange {
    /// Its name.
    pub name: ListName,
    /// The rows; without rows the list is removed.
    pub rows: Vec<CopiedRow>,
    /// The time as of which the list was read.
    pub as_of: Time,
}

/// Keeps a copy of lists. After an error, nothing is known of the last call: the copy has to be read again.
pub trait Destination: Send {
    /// Connects, if there is no connection, and checks that the destination can hold lists. The next page is the first.
    ///
    /// # Errors
    /// When it cannot be reached or used.
    fn begin(&mut self) -> Result<(), DestinationError>;

    /// Adds more lists of the destination to `page`, each list once. False: there are no more.
    ///
    /// # Errors
    /// When it cannot be read.
    fn page(&mut self, page: &mut Vec<FoundList>) -> Result<bool, DestinationError>;

    /// Writes lists: all of them or none. They are durable when this returns.
    ///
    /// # Errors
    /// When they could not be written, or when it is not known.
    fn write(&mut self, changes: &[ListChange]) -> Result<(), DestinationError>;

    /// Ends the connection, so that [`Destination::begin`] makes a new one.
    fn disconnect(&mut self);
}

/// Whether a destination is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is there, and can hold lists.
    Present,
    /// It is missing: [`Destination::begin`] makes it.
    Missing,
}

/// Why a destination cannot be used now. It is tried again for ever. No text holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// The service cannot be reached.
    #[error("no connection to {place}: {reason}")]
    Away {
        /// The service.
        place: String,
        /// Why.
        reason: String,
    },
    /// The service refused a request, or did not answer.
    #[error("{doing} failed: {reason}")]
    Refused {
        /// The request, in words.
        doing: String,
        /// Why.
        reason: String,
    },
    /// The table has other columns, or this user may not write to it.
    #[error("table {table} cannot hold lists: {problem}")]
    Unfit {
        /// The table.
        table: String,
        /// What is wrong.
        problem: String,
        /// The statements that mend it.
        sql: String,
    },
    /// The name is not that of a table.
    #[error("{name} is {found} and cannot hold lists")]
    NoTable {
        /// The name as configured.
        name: String,
        /// What has this name.
        found: &'static str,
    },
    /// The topic would lose lists.
    #[error("topic {topic} has cleanup.policy={policy}, and would forget lists that do not change")]
    Policy {
        /// The topic.
        topic: String,
        /// Its policy.
        policy: String,
    },
}

impl DestinationError {
    /// The SQL or the command that mends it, or what to do, if that is known.
    #[must_use]
    pub fn mend(&self) -> Option<String> {
        match self {
            DestinationError::Away { .. } | DestinationError::Refused { .. } => None,
            DestinationError::NoTable { .. } => {
                Some("set `sinks.postgres.table` to the name of a table, or to a name that is not taken".into())
            }
            DestinationError::Unfit { sql, .. } => Some(sql.clone()),
            DestinationError::Policy { topic, .. } => Some(format!(
                "kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config cleanup.policy=compact"
            )),
        }
    }

    /// The error with the way to mend it, for the log and the status.
    #[must_use]
    pub fn advice(&self) -> String {
        match (self.mend(), self) {
            (Some(mend), DestinationError::NoTable { .. }) => format!("{self}: {mend}"),
            (Some(mend), _) => format!("{self}. Run: {mend}"),
            (None, _) => self.to_string(),
        }
    }
}
