//! The threads of the store: one that writes, with one transaction for all requests that wait, and some that read.

use std::io;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;

use rusqlite::Connection;

use super::{unavailable, write};
use crate::error::StoreError;
use crate::home::{WriteRequest, Written};
use crate::queue::{self, WriteJob};
use crate::settings::Settings;

/// A read, with its own way to answer.
pub(super) type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

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
            queue::answer_group(queue::group(first, &writes), |requests| {
                in_transaction(&writer, requests, &settings).map_err(|error| unavailable(&error))
            });
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
