//! Where refused records go: a bounded outlet that every source shares.

use std::sync::mpsc::SyncSender;

use crate::decode::DeadLetter;

/// Takes refused records. When it is full a source holds the letter and pauses: none is dropped.
pub type DeadLetters = SyncSender<DeadLetter>;
