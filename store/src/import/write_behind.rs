//! Reading a file while what was read before is written.
//!
//! ```text
//! file ─▶ read, in this thread ── piece ──▶ write, in a thread of its own ─▶ the store
//!                  ▲                               │
//!                  └────── rows that are wrong ────┘
//! ```

use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Sender};
use std::thread;

use super::FileRows;
use crate::error::{Fault, StoreError};
use crate::row::Row;

/// A row that cannot be written, with its line.
pub(crate) struct RefusedRow {
    pub(crate) line: u64,
    pub(crate) row: Row,
    pub(crate) faults: Vec<Fault>,
}

impl RefusedRow {
    /// Notes it in the report.
    fn tell(&self, rows: &mut FileRows<'_>) {
        rows.refuse(self.line, &self.row, &self.faults);
    }
}

/// Reads pieces of a file with `read`, which gives each to its last argument until that returns false: no more can be written.
/// Writes each piece with `write`, which sends the rows that are wrong.
///
/// # Errors
/// When the file cannot be read, or a piece cannot be written.
pub(crate) fn write_behind<'f, P, E>(
    rows: &mut FileRows<'f>,
    read: impl FnOnce(&mut FileRows<'f>, &mut dyn FnMut(P, &mut FileRows<'f>) -> bool) -> Result<(), StoreError>,
    mut write: impl FnMut(P, &Sender<RefusedRow>) -> Result<(), E> + Send,
) -> Result<(), StoreError>
where
    P: Send,
    E: Send,
    StoreError: From<E>,
{
    // A piece is handed over when the one before it is written.
    let (next, pieces) = mpsc::sync_channel::<P>(0);
    let (refuse, refused) = mpsc::channel::<RefusedRow>();
    thread::scope(|scope| {
        let writer = scope.spawn(move || pieces.iter().try_for_each(|piece| write(piece, &refuse)));
        let read = read(rows, &mut |piece, rows| {
            let is_taken = next.send(piece).is_ok();
            refused.try_iter().for_each(|bad| bad.tell(rows));
            is_taken
        });
        drop(next);
        writer.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        refused.iter().for_each(|bad| bad.tell(rows));
        read
    })
}

/// The error of a file that cannot be read.
pub(crate) fn unreadable(error: io::Error) -> StoreError {
    StoreError::Unreadable(error.to_string())
}
