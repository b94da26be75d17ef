//! Small text files that end with a line with their own checksum, and replace the previous file in one step.

use std::path::Path;

use crate::disk::Disk;
use crate::error::{Damage, Doing, Error};

/// The beginning of the last line.
const SEAL: &str = "crc32c ";

/// The length of the last line: the word, eight digits and the line end.
const SEAL_BYTES: usize = SEAL.len() + 9;

/// The text with its checksum as the last line. `body` ends with a line end.
#[must_use]
pub fn seal(body: &str) -> String {
    format!("{body}{SEAL}{:08x}\n", crc32c::crc32c(body.as_bytes()))
}

/// The text without its last line, if this is the right checksum.
///
/// # Errors
/// It is not: the text was changed or cut short.
pub fn open(bytes: &[u8]) -> Result<&[u8], Damage> {
    let body = bytes.len().checked_sub(SEAL_BYTES).map(|end| &bytes[..end]);
    let body = body.ok_or(Damage::Malformed("it is cut short"))?;
    let expected = format!("{SEAL}{:08x}\n", crc32c::crc32c(body));
    if bytes[body.len()..] == *expected.as_bytes() { Ok(body) } else { Err(Damage::Checksum("the text")) }
}

/// Writes a file under a temporary name, makes it durable, and renames it, durably.
///
/// After success the new content survives any crash. After an error the file has the old or the new content.
///
/// # Errors
/// The error of the disk.
pub fn put(disk: &dyn Disk, dir: &Path, temporary: &str, name: &str, content: &[u8]) -> Result<(), Error> {
    let (from, to) = (dir.join(temporary), dir.join(name));
    let written = write(disk, &from, content);
    if written.is_err() {
        // The next start removes the temporary file, if this call does not.
        let _ = disk.remove(&from);
    }
    written?;
    disk.rename(&from, &to).map_err(|source| Error::of_disk(&to, Doing::Renamed, source))?;
    disk.sync_dir(dir).map_err(|source| Error::of_disk(dir, Doing::Synchronised, source))
}

fn write(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<(), Error> {
    let mut file = disk.create(path).map_err(|source| Error::of_disk(path, Doing::Made, source))?;
    file.write_all(content).map_err(|source| Error::of_disk(path, Doing::Written, source))?;
    file.sync().map_err(|source| Error::of_disk(path, Doing::Synchronised, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_bit_and_any_cut_is_found() {
        let sealed = seal("{\"a\": 1}\n").into_bytes();
        assert_eq!(open(&sealed), Ok(&b"{\"a\": 1}\n"[..]));
        for bit in 0..sealed.len() * 8 {
            let mut other = sealed.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&other).is_err(), "bit {bit}");
        }
        for end in 0..sealed.len() {
            assert!(open(&sealed[..end]).is_err(), "cut to {end}");
        }
    }
}
