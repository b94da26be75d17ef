//! The threads of the store: one that writes, with one transaction for all requests that wait, and some that read.

use std::io;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{unavailable, write};
use crate::error::StoreError;
use crate::home::{WriteRequest, Written};
use crate::settings::Settings;

/// The most requests in one transaction.
const GROUP_MAX: usize = 128;

/// A read, with its own way to answer.
pub(super) type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// A write, answered when it is durable.
pub(super) struct WriteJob {
    pub(super) request: WriteRequest,
    pub(super) answer: oneshot::Sender<Result<Written, StoreError>>,
}

/// Starts the threads; each ends when its queue is closed and empty.
pub(super) fn start(
    writer: Connection,
    writes: Receiver<WriteJob>,
    readers: Vec<Connection>,
    reads: Receiver<ReadJob>,
    settings: &Settings,
) -> io::Result<()> {
    let settings = settings.clone();
    thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
        while let Ok(first) = writes.recv() {
            let group = std::iter::once(first).chain(writes.try_iter().take(GROUP_MAX - 1)).collect();
            write_group(&writer, group, &settings);
        }
    })?;
    let reads = Arc::new(Mutex::new(reads));
    for reader in readers {
        let reads = reads.clone();
        let next = move || reads.lock().expect("no holder of this lock can panic").recv().ok();
        thread::Builder::new().name("store-reader".to_owned()).spawn(move || {
            while let Some(job) = next() {
                job(&reader);
            }
        })?;
    }
    Ok(())
}

/// Does the requests in one transaction. A request that is refused leaves the others as they are.
fn write_group(connection: &Connection, group: Vec<WriteJob>, settings: &Settings) {
    let (requests, answers): (Vec<_>, Vec<_>) = group.into_iter().map(|job| (job.request, job.answer)).unzip();
    let results = in_transaction(connection, &requests, settings);
    let results = results.unwrap_or_else(|error| vec![Err(unavailable(&error)); requests.len()]);
    for (answer, result) in answers.into_iter().zip(results) {
        // The request may have gone away.
        let _ = answer.send(result);
    }
}

fn in_transaction(
    connection: &Connection,
    requests: &[WriteRequest],
    settings: &Settings,
) -> rusqlite::Result<Vec<Result<Written, StoreError>>> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let written = requests.iter().map(|request| write::request(connection, request, settings)).collect();
    let committed = write::forget_old_changes(connection).and_then(|()| connection.execute_batch("COMMIT"));
    if committed.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    committed.map(|()| written)
}
