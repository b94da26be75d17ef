//! A reading thread: takes turns with its files, and rests when none of them has anything new.

use std::io;
use std::time::Duration;

use super::context::{FilesContext, Interruption};

/// A file that is followed.
pub(super) trait FollowedFile {
    /// Reads and sends a batch; whether there was anything to read.
    fn turn(&mut self, context: &FilesContext) -> Result<bool, Interruption>;

    /// Reports that a turn failed. It is tried again.
    fn trouble(&mut self, error: &io::Error, context: &FilesContext) -> Result<(), Interruption>;
}

/// Follows the files until the thread is to end.
pub(super) fn run(mut files: Vec<Box<dyn FollowedFile>>, poll: Duration, context: &FilesContext) {
    loop {
        let mut moved = false;
        for file in &mut files {
            let turn = match file.turn(context) {
                Err(Interruption::Io(error)) => file.trouble(&error, context).map(|()| false),
                turn => turn,
            };
            match turn {
                Ok(more) => moved |= more,
                Err(_) => return,
            }
        }
        let pause = if moved { Duration::ZERO } else { poll };
        if context.stop.wait(pause).is_err() {
            return;
        }
    }
}
