//! The threads of the store: one that writes, and some that read.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;

use super::connect::Connect;
use super::session::{PAUSE, PgSession};
use super::write;
use crate::home::WriteRequest;
use crate::kind::Kind;
use crate::queue::{self, WriteJob};
use crate::settings::Settings;

/// Threads that read.
const READERS: usize = 2;

/// A read, with its own way to answer.
pub(super) type ReadJob = Box<dyn FnOnce(&mut PgSession) + Send>;

/// Starts the threads; each ends when its queue is closed and empty.
pub(super) fn start(
    settings: &Settings,
    connect: &Arc<Connect>,
    writes: Receiver<WriteJob>,
    reads: Receiver<ReadJob>,
) -> io::Result<()> {
    let (settings, manage) = (settings.clone(), settings.manage);
    let sessions = [PgSession::new(connect.clone(), manage), PgSession::long(connect, manage)];
    thread::Builder::new().name("store-writer".to_owned()).spawn(move || write_all(&writes, sessions, &settings))?;
    let reads = Arc::new(Mutex::new(reads));
    for _ in 0..READERS {
        let (reads, mut session) = (reads.clone(), PgSession::new(connect.clone(), manage));
        let next = move || reads.lock().expect("no holder of this lock can panic").recv().ok();
        thread::Builder::new().name("store-reader".to_owned()).spawn(move || {
            while let Some(job) = next() {
                job(&mut session);
            }
        })?;
    }
    Ok(())
}

fn write_all(writes: &Receiver<WriteJob>, [mut session, mut long]: [PgSession; 2], settings: &Settings) {
    // The tables are made before the first request: the source waits for them.
    let mut is_ready = session.get().is_ok();
    loop {
        let first = match is_ready {
            true => writes.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => writes.recv_timeout(PAUSE),
        };
        match first {
            Ok(first) => queue::answer_group(queue::group(first, writes), |requests| {
                let session = if may_take_long(requests) { &mut long } else { &mut session };
                write::group(session, requests, settings)
            }),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => is_ready = session.get().is_ok(),
        }
    }
}

/// Whether a category is among the rows. One that moves changes all products under it.
fn may_take_long(requests: &[WriteRequest]) -> bool {
    requests.iter().flat_map(|request| &request.writes).any(|write| write.kind == Kind::Categories)
}
