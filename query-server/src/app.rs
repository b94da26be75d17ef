//! The state that the server serves, given by the program that starts it.

use std::sync::Arc;

use dataflow::engine::TickCounter;
use dataflow::index_reader::IndexReader;
use dataflow::source_status::SourceRegistry;
use dataflow::time::{ServiceClock, Time};
use recommend::shadow::{ListMaker, ShadowHits};
use recommend::{Online, Recommender};
use serde::Serialize;
use store::Store;
use utoipa::ToSchema;

use crate::access::Access;
use crate::audit::AuditLog;
use crate::event_writer::EventWriter;
use crate::tls::Tls;

/// Everything the endpoints read from and write to.
#[derive(Clone)]
pub struct App {
    /// The published indexes.
    pub reader: IndexReader,
    /// Composes the lists of recommendations.
    pub recommender: Arc<Recommender>,
    /// Counts what becomes of recommendations, where this is wanted.
    pub online: Option<Arc<Online>>,
    /// The lists of the shadow, where they are kept.
    pub shadow: Option<ShadowLists>,
    /// The status of the sources.
    pub registry: Arc<SourceRegistry>,
    /// Counts closed ticks, and knows which of them hold everything that the sources had.
    pub ticks: TickCounter,
    /// The engine's clock: it dates removals and tells the age of the state.
    pub clock: Arc<dyn ServiceClock>,
    /// The newest state served before the restart. Older states are never served.
    pub floor: Floor,
    /// Reads the status of checkpoints, where they are taken.
    pub checkpoints: Option<Arc<dyn Fn() -> LastCheckpoint + Send + Sync>>,
    /// Reads the status of the factor model, where one is used.
    pub als: Option<Arc<dyn Fn() -> AlsStatus + Send + Sync>>,
    /// Reads the status of content vectors, where they are used.
    pub content: Option<Arc<dyn Fn() -> ContentStatus + Send + Sync>>,
    /// Reads the status of the archive, where there is one.
    pub archive: Option<Arc<dyn Fn() -> ArchiveStatus + Send + Sync>>,
    /// Reads the status of the copies of lists in other services; empty if there are none.
    pub sinks: Arc<dyn Fn() -> Vec<SinkStatus> + Send + Sync>,
    /// Writes events and removals.
    pub event_writer: Arc<dyn EventWriter>,
    /// Who may do what.
    pub access: Arc<Access>,
    /// The server's certificate; none for a server without TLS.
    pub tls: Option<Arc<Tls>>,
    /// Records who removed or changed something, where this is wanted.
    pub audit: Option<Arc<dyn AuditLog>>,
    /// Keeps the shop's rows, where Vitrine keeps them.
    pub store: Option<Arc<dyn Store>>,
    /// Where copies of users' data remain after an erasure.
    pub copies: Arc<[DataCopy]>,
    /// The addresses of the cluster's processes, if there are several.
    pub peers: Option<Peers>,
    /// Worker threads of the engine.
    pub workers: usize,
    /// The product's version.
    pub version: &'static str,
    /// The parts that run inside this process instead of in a service, for the page.
    pub embedded: Vec<String>,
}

/// The lists that are kept beside those of the shop, by a second set of business numbers and merchandising rules.
#[derive(Clone)]
pub struct ShadowLists {
    /// What they are made with.
    pub lists: ListMaker,
    /// Counts the hits of both sets.
    pub hits: Arc<ShadowHits>,
}

/// A place with copies of users' data that an erasure does not rewrite at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DataCopy {
    /// The place.
    pub place: String,
    /// What it holds of a user.
    pub holds: String,
    /// Until when.
    pub until: String,
    /// The command or statement that removes it earlier, with `USER` or `$1` in place of the user's id; null if there is none.
    pub run: Option<String>,
}

/// The oldest state that is served after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// The state of this tick.
    pub as_of: Time,
    /// Whether a state must also hold everything that the sources had at the restart: they had caught up before it.
    pub caught_up: bool,
}

/// The processes of a cluster, each of which holds the rows of some users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// `HOST:PORT` of each process's server, this one's too, in the order of their numbers.
    pub addresses: Vec<String>,
    /// A text that only these processes know. It tells a request that one of them passes on from what a client sends.
    pub secret: String,
}

/// The status of the checkpoints since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastCheckpoint {
    /// The tick of the newest durable checkpoint, or of the restored one; 0 if there is none.
    #[schema(value_type = u64)]
    pub as_of_ms: Time,
    /// Whether it holds all rows, or only the changes since the one before.
    pub full: bool,
    /// Rows in it.
    pub rows: u64,
    /// Bytes in it.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How many were taken since the start.
    pub taken: u64,
    /// How many failed since the start.
    pub failed: u64,
    /// Why the last attempt failed, if it did.
    pub failure: Option<String>,
}

/// The factor model in use, and its trainings since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlsStatus {
    /// The version in use; null while there is none.
    pub version: Option<u64>,
    /// The time of the newest view that it has learned from.
    pub data_until_ms: Option<u64>,
    /// Why the version that should be in use is not: the file and its fault.
    pub refused: Option<String>,
    /// Whether a training is running.
    pub is_training: bool,
    /// How many trainings have made a model since the start.
    pub trained: u64,
    /// How many were skipped since the start, because the one before was still running.
    pub skipped: u64,
    /// How many failed since the start.
    pub failed: u64,
    /// How long the last one took, in milliseconds.
    pub took_ms: u64,
    /// Why the last one failed, if it did.
    pub failure: Option<String>,
}

/// Content vectors as of the last reading of the products.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ContentStatus {
    /// Products that the shop describes.
    pub products: u64,
    /// Products with a vector.
    pub vectors: u64,
    /// The memory of the vectors, in bytes.
    pub bytes: u64,
    /// Products beyond the limit `models.content.products_max`, which have no vector.
    pub left_out: u64,
    /// Products whose embedding cannot be used.
    pub refused: u64,
    /// The first of them, and why.
    pub refused_products: Vec<RefusedProduct>,
    /// Columns of the settings that the table does not have.
    pub missing_columns: Vec<String>,
    /// How often vectors were made since the start.
    pub made: u64,
    /// How long it took last, in milliseconds.
    pub took_ms: u64,
    /// How many readings failed since the start.
    pub failed: u64,
    /// Why the last reading failed, if it did. The vectors before stay in use.
    pub failure: Option<String>,
}

/// A product whose embedding cannot be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefusedProduct {
    /// The product.
    pub product: String,
    /// Why.
    pub reason: String,
}

/// The archive of records since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ArchiveStatus {
    /// What is wrong now; it is tried again for ever. Null if everything works.
    pub reason: Option<String>,
    /// Records that became durable.
    pub records: u64,
    /// Files that became durable.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Failed requests to the store.
    pub failures: u64,
    /// Offsets that a topic had deleted before they were archived.
    pub lost: u64,
    /// Memory for files that are not written yet, in bytes.
    pub memory_bytes: u64,
    /// Files among those of the archive that are not its own, as of the start.
    pub foreign: u64,
    /// Partitions that this process archives.
    pub partitions: Vec<ArchivedPartition>,
}

/// A copy of lists in another service, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct SinkStatus {
    /// `kafka` or `postgres`.
    pub kind: &'static str,
    /// The topic or the table, and where it is.
    pub place: String,
    /// What is wrong now; it is tried again for ever. Null if everything works.
    pub reason: Option<String>,
    /// Whether the copy was compared with the lists, and follows them.
    pub follows: bool,
    /// Lists that have changed and wait.
    pub waiting: u64,
    /// The age of the longest waiting change; while the copy does not follow, the time since it was right.
    pub behind_ms: u64,
    /// Lists in the copy, of this process.
    pub lists: u64,
    /// Lists that were written.
    pub written: u64,
    /// Lists that were removed.
    pub removed: u64,
    /// Comparisons of the whole copy with the lists.
    pub comparisons: u64,
    /// The time of the lists at the last comparison.
    #[schema(value_type = u64)]
    pub compared_as_of_ms: Time,
    /// Lists that a comparison found to differ, after the first one.
    pub corrected: u64,
    /// Failed attempts to reach, read or write the copy.
    pub failures: u64,
    /// Names in the copy that are not those of lists, and are left alone.
    pub foreign: u64,
    /// Lists that cannot be copied now, because an id in them has a zero byte.
    pub unwritable: u64,
}

/// One partition in the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ArchivedPartition {
    /// The topic, or the file.
    pub stream: String,
    /// Its partition.
    pub partition: i32,
    /// The offset after the last durable one.
    pub durable: i64,
    /// The end of the partition.
    pub end: i64,
    /// Offsets that are in the topic and not in the archive.
    pub lag: i64,
}
