//! A reading thread: takes turns with its files, and rests when none of them has anything new.

use std::io;
use std::time::Duration;

use super::refusals::{FileRefusals, Interruption};

/// A file that is followed.
pub(super) trait Followed {
    /// Reads a little and hands it over; whether there was anything.
    fn turn(&mut self, desk: &FileRefusals) -> Result<bool, Interruption>;

    /// The turn failed: says so. It is tried again.
    fn trouble(&mut self, error: &io::Error, desk: &FileRefusals) -> Result<(), Interruption>;
}

/// Follows the files until told to stop.
pub(super) fn run(mut files: Vec<Box<dyn Followed>>, poll: Duration, desk: &FileRefusals) {
    loop {
        let mut moved = false;
        for file in &mut files {
            let turn = match file.turn(desk) {
                Err(Interruption::Io(error)) => file.trouble(&error, desk).map(|()| false),
                turn => turn,
            };
            match turn {
                Ok(more) => moved |= more,
                Err(_) => return,
            }
        }
        let pause = if moved { Duration::ZERO } else { poll };
        if desk.stop.wait(pause).is_err() {
            return;
        }
    }
}
