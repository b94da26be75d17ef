//! Compressed files, and the bound of what they hold.

use std::io::{self, BufRead, BufReader, Read};

use thiserror::Error;

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 1 << 18;

/// The largest window of zstd, as a power of two: 128 MiB.
const WINDOW_LOG_MAX: u32 = 27;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// By gzip.
    Gzip,
    /// By zstd.
    Zstd,
}

impl Encoding {
    /// The encoding with this name in HTTP.
    #[must_use]
    pub fn find(name: &str) -> Option<Encoding> {
        match name.to_ascii_lowercase().as_str() {
            "identity" => Some(Encoding::Identity),
            "gzip" | "x-gzip" => Some(Encoding::Gzip),
            "zstd" => Some(Encoding::Zstd),
            _ => None,
        }
    }

    /// A reader of what the file holds, at most `bytes_max` bytes.
    ///
    /// # Errors
    /// When the system denies the memory.
    pub fn decoded<'f>(self, file: impl Read + 'f, bytes_max: u64) -> io::Result<Box<dyn BufRead + 'f>> {
        let file = BufReader::with_capacity(BUFFER_BYTES, file);
        let plain: Box<dyn Read + 'f> = match self {
            Encoding::Identity => Box::new(file),
            Encoding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Encoding::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(file)?;
                decoder.window_log_max(WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
        };
        Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, Bounded { plain, left: bytes_max, bytes_max })))
    }
}

#[derive(Debug, Error)]
#[error("it holds more than {0} bytes")]
struct TooLong(u64);

/// A reader that fails after so many bytes.
struct Bounded<'f> {
    plain: Box<dyn Read + 'f>,
    left: u64,
    bytes_max: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.plain.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(TooLong(self.bytes_max))),
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(encoding: Encoding, bytes: &[u8], bytes_max: u64) -> io::Result<String> {
        io::read_to_string(encoding.decoded(bytes, bytes_max)?)
    }

    #[test]
    fn compressed_files_are_read_up_to_their_bound() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(b"lamp").unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(b"lamp".as_slice(), 1).unwrap();
        for (name, bytes) in [("identity", b"lamp".as_slice()), ("gzip", &gzip), ("X-GZIP", &gzip), ("zstd", &zstd)] {
            let encoding = Encoding::find(name).unwrap();
            assert_eq!(read(encoding, bytes, 4).unwrap(), "lamp", "{name}");
            assert!(read(encoding, bytes, 3).is_err(), "{name}");
        }
        assert_eq!(read(Encoding::Gzip, &[gzip.as_slice(), &gzip].concat(), 8).unwrap(), "lamplamp");
        assert!(read(Encoding::Gzip, &gzip[..gzip.len() - 1], 8).is_err(), "a file that was cut");
        assert!(read(Encoding::Zstd, &zstd[..zstd.len() - 1], 8).is_err(), "a file that was cut");
        assert_eq!(Encoding::find("br"), None);
    }
}
