//! Where refused records go: a bounded outlet that every source shares.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use crate::decode::DeadLetter;
use crate::side_thread::{Stop, Stopped};

/// Takes refused records. When it is full a source holds the letter and pauses: none is dropped.
pub type DeadLetters = SyncSender<DeadLetter>;

/// How soon a full outlet is tried again.
const AGAIN: Duration = Duration::from_millis(5);

/// Hands a letter over, waiting for room. Where nobody takes letters any more, it is only counted by whoever wrote it.
pub(crate) fn post(letters: &DeadLetters, letter: DeadLetter, stop: &Stop) -> Result<(), Stopped> {
    let mut held = letter;
    loop {
        match letters.try_send(held) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => return Ok(()),
            Err(TrySendError::Full(letter)) => held = letter,
        }
        stop.wait(AGAIN)?;
    }
}
