//! Where refused records go: a bounded outlet that every source shares.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use crate::decode::DeadLetter;
use crate::side_thread::Stopped;

/// Takes refused records. When it is full a source holds the letter and pauses: none is dropped.
pub type DeadLetters = SyncSender<DeadLetter>;

/// The most of a payload that goes with a letter: one byte more than is kept shows that there was more.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 64 * 1024 + 1;

/// How soon a full outlet is tried again.
const AGAIN: Duration = Duration::from_millis(5);

/// Hands a letter over; while there is no room it is waited with `wait`. Where nobody takes letters any more, it is only
/// counted by whoever wrote it.
pub(crate) fn post(
    letters: &DeadLetters,
    letter: DeadLetter,
    wait: impl Fn(Duration) -> Result<(), Stopped>,
) -> Result<(), Stopped> {
    let mut held = letter;
    loop {
        match letters.try_send(held) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => return Ok(()),
            Err(TrySendError::Full(letter)) => held = letter,
        }
        wait(AGAIN)?;
    }
}
