//! Reads the erasures that the file of removals has at the start.

use std::io;
use std::path::Path;
use std::time::Duration;

use events::TimeBounds;

use super::context::{FileReporter, FilesContext};
use super::lines::{self, LineRange};
use super::times::LineTimes;
use super::{FILES, REMOVALS};
use crate::erasures::ErasedAtStart;
use crate::file_position::FilePosition;
use crate::file_tail::FileTail;
use crate::side_thread::Stopped;

/// Sends the erasures as a batch, once the file can be read. A file that does not exist has none.
pub(super) fn send(dir: &Path, poll: Duration, context: &FilesContext) -> Result<(), Stopped> {
    let part = FILES.iter().position(|file| *file == REMOVALS).expect("it is one of the files");
    let (tail, mut reporter) = (FileTail::new(dir.join(REMOVALS)), FileReporter::new(part));
    loop {
        match read(&tail, context) {
            Ok(erased) => return context.send(reporter.erasures(erased)),
            Err(error) => {
                context.send_any(reporter.failing(&tail, error.to_string()))?;
                context.stop.wait(poll)?;
            }
        }
    }
}

/// The erasures. Their times are those that they have when the file is followed.
fn read(tail: &FileTail, context: &FilesContext) -> io::Result<ErasedAtStart> {
    let mut erased = ErasedAtStart::default();
    let span = match tail.open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(erased),
        span => span?,
    };
    let (mut position, mut times, mut buffer) = (FilePosition::default(), LineTimes::default(), Vec::new());
    times.begin(context.arrival().min(span.modified_ms()));
    loop {
        let bounds = TimeBounds::around(context.now());
        match lines::read(&span.file, &mut position, span.to(), &mut buffer)? {
            LineRange::Unfinished => return Ok(erased),
            LineRange::TooLong => {}
            LineRange::Lines(bytes) => {
                for (at, line) in lines::split(&buffer[..bytes]) {
                    let event = times.decode(line, &span.file, position.offset + at as u64, span.to(), &bounds)?;
                    times.pass();
                    if let Ok(event) = event {
                        erased.add(&event, |user| context.dictionary.find_user(user));
                    }
                }
                position.offset += bytes as u64;
            }
        }
    }
}
