//! A file to which lines are appended: it holds only whole lines, and a new line never continues a torn line.

use std::fs::{File, OpenOptions, create_dir_all};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How much of a file's end is read at a time when a torn last line is looked for.
const BLOCK: u64 = 64 * 1024;

/// The result of an append.
#[derive(Debug)]
pub(crate) struct Appended {
    /// How many of the bytes are in the file, always up to the end of a line.
    pub(crate) whole: usize,
    /// The file's offset after them.
    pub(crate) end: u64,
    /// The error that kept the rest out of the file.
    pub(crate) error: Option<io::Error>,
}

/// A file to which lines are appended. It is opened, or created, at the first append, and again after it was moved
/// away.
#[derive(Debug)]
pub(crate) struct LineFile {
    path: PathBuf,
    open: Option<File>,
    /// Whether the end of the file may be lost in a crash although it can be read now.
    doubtful: bool,
}

impl LineFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        LineFile { path, open: None, doubtful: false }
    }

    /// The file's name, without its directory.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Appends whole lines. A line that a crash or another writer left without its end is ended first.
    ///
    /// A line of which only a part could be written is removed. The lines before it stay, since a reader that follows
    /// the file may have read them; a complete line is never removed.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Appended {
        debug_assert!(lines.is_empty() || lines.ends_with(b"\n"), "only whole lines are appended");
        match self.ready() {
            Ok(file) => write_lines(file, lines),
            Err(error) => Appended { whole: 0, end: 0, error: Some(error) },
        }
    }

    /// Makes the appended lines durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let Some(file) = &self.open else { return Ok(()) };
        let synced = file.sync_data();
        // The system may have dropped data that it could not write, so the next line must not rely on the current end
        // of the file.
        self.doubtful = synced.is_err();
        synced
    }

    /// Removes a last line without end, which a crash left, and says whether lines remain. For files that nobody else
    /// writes, before the first append.
    pub(crate) fn cut_torn_tail(&mut self) -> io::Result<bool> {
        let file = self.opened()?;
        let mut end = file.metadata()?.len();
        let mut block = Vec::new();
        while end > 0 {
            let start = end.saturating_sub(BLOCK);
            block.resize((end - start) as usize, 0);
            file.read_exact_at(&mut block, start)?;
            if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
                end = start + at as u64 + 1;
                break;
            }
            end = start;
        }
        file.set_len(end)?;
        Ok(end > 0)
    }

    /// The open file, ending in a whole line.
    fn ready(&mut self) -> io::Result<&mut File> {
        let doubtful = self.doubtful;
        let file = self.opened()?;
        let length = file.metadata()?.len();
        let mut last = [b'\n'];
        if length > 0 {
            file.read_exact_at(&mut last, length - 1)?;
        }
        if doubtful || last != [b'\n'] {
            file.write_all(b"\n")?;
        }
        Ok(file)
    }

    fn opened(&mut self) -> io::Result<&mut File> {
        if self.open.as_ref().is_some_and(|file| !is_at(file, &self.path)) {
            self.open = None;
        }
        match &mut self.open {
            Some(file) => Ok(file),
            closed => Ok(closed.insert(open(&self.path)?)),
        }
    }
}

/// Whether the path still leads to this file.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Opens or creates the file. Its entry in the directory is durable afterwards: if the file were gone after a crash,
/// its synchronised lines would be lost.
fn open(path: &Path) -> io::Result<File> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_dir_all(directory)?;
    let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    File::open(directory)?.sync_all()?;
    Ok(file)
}

fn write_lines(file: &mut File, lines: &[u8]) -> Appended {
    let mut done = 0;
    let mut error = None;
    while done < lines.len() && error.is_none() {
        match file.write(&lines[done..]) {
            Ok(0) => error = Some(io::ErrorKind::WriteZero.into()),
            Ok(written) => done += written,
            Err(interrupted) if interrupted.kind() == io::ErrorKind::Interrupted => {}
            Err(failed) => error = Some(failed),
        }
    }
    let whole = lines[..done].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    // With O_APPEND the position after a write is the file's end at that moment, whoever else appends.
    let end = file.stream_position();
    let torn = (done - whole) as u64;
    if torn > 0
        && let Ok(end) = end
        && file.metadata().is_ok_and(|now| now.len() == end)
    {
        // If this fails, the next append ends the torn line instead.
        let _ = file.set_len(end - torn);
    }
    match end {
        Ok(end) => Appended { whole, end: end - torn, error },
        Err(unknown) => Appended { whole: 0, end: 0, error: Some(unknown) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_with(text: &str) -> (tempfile::TempDir, LineFile) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        std::fs::write(&path, text).unwrap();
        (dir, LineFile::new(path))
    }

    fn text(file: &LineFile) -> String {
        std::fs::read_to_string(&file.path).unwrap()
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next_one() {
        let (_dir, mut file) = file_with("one\ntw");
        let appended = file.append(b"three\n");
        assert_eq!((appended.whole, appended.end), (6, 13));
        assert_eq!(text(&file), "one\ntw\nthree\n");
    }

    #[test]
    fn another_writers_lines_are_stepped_over() {
        let (_dir, mut file) = file_with("");
        assert_eq!(file.append(b"ours\n").end, 5);
        let mut theirs = OpenOptions::new().append(true).open(&file.path).unwrap();
        theirs.write_all(b"theirs\nand a ha").unwrap();
        assert_eq!(file.append(b"ours\n").end, 26);
        assert_eq!(text(&file), "ours\ntheirs\nand a ha\nours\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let (dir, mut file) = file_with("old\n");
        file.append(b"old\n");
        std::fs::rename(&file.path, dir.path().join("lines.1")).unwrap();
        assert_eq!(file.append(b"new\n").end, 4);
        assert_eq!(text(&file), "new\n");
    }

    #[test]
    fn a_line_that_does_not_fit_is_cut_back_and_the_one_before_it_stays() {
        let (_dir, mut file) = file_with("");
        // The largest size that the file system gives a (sparse) file: a write across it is cut short.
        let sparse = OpenOptions::new().write(true).open(&file.path).unwrap();
        let (mut fits, mut fails) = (0, u64::MAX >> 1);
        while fails - fits > 1 {
            let half = fits + (fails - fits) / 2;
            if sparse.set_len(half).is_ok() { fits = half } else { fails = half }
        }
        let start = fits - 10;
        sparse.set_len(start).unwrap();
        sparse.write_all_at(b"\n", start - 1).unwrap();
        let appended = file.append(b"four\nsixsix\n");
        assert_eq!((appended.whole, appended.end, appended.error.is_some()), (5, start + 5, true), "{appended:?}");
        assert_eq!(sparse.metadata().unwrap().len(), start + 5);
        assert_eq!(file.append(b"four\n").end, start + 10);
    }

    #[test]
    fn a_torn_tail_is_cut_at_any_length() {
        let long = "x".repeat(3 * BLOCK as usize);
        for (before, after) in [
            (String::new(), String::new()),
            ("torn".into(), String::new()),
            ("a\nb\n".into(), "a\nb\n".into()),
            (format!("a\n{long}"), "a\n".into()),
            (long.clone(), String::new()),
        ] {
            let (_dir, mut file) = file_with(&before);
            assert_eq!(file.cut_torn_tail().unwrap(), !after.is_empty());
            assert_eq!(text(&file), after);
        }
    }

    #[test]
    fn a_directory_in_the_way_is_an_error_and_its_removal_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = LineFile::new(dir.path().join("made").join("lines"));
        std::fs::create_dir_all(&file.path).unwrap();
        let appended = file.append(b"a\n");
        assert_eq!((appended.whole, appended.error.is_some()), (0, true));
        std::fs::remove_dir(&file.path).unwrap();
        assert!(file.append(b"a\n").error.is_none());
        assert_eq!(text(&file), "a\n");
    }

    #[test]
    fn after_a_failed_synchronisation_a_line_begins_anew() {
        let (_dir, mut file) = file_with("one\n");
        file.doubtful = true;
        file.append(b"two\n");
        assert_eq!(text(&file), "one\n\ntwo\n");
        file.sync().unwrap();
        file.append(b"three\n");
        assert_eq!(text(&file), "one\n\ntwo\nthree\n");
    }
}
