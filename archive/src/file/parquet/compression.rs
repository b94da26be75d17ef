//! Compression with zstd, through one context for each thread.

use std::cell::RefCell;
use std::io;

use bytes::Bytes;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

/// Compression that takes little time.
const LEVEL: i32 = 1;

/// How far back repetitions are looked for, in bytes, as a power of two. The level's own window for a large page is twice as large.
/// With this one zstd looks without branches that a core often guesses wrongly, which takes a sixth less time. Files become up to
/// 4 % larger, those of views alone a little smaller.
const WINDOW_LOG: u32 = 18;

/// The memory that is kept for the next page.
const BUFFER_BYTES: usize = 1 << 20;

/// A context of zstd, and a buffer for its results. Both take megabytes, and a segment may have hundreds of open files.
struct PageCompressor {
    compressor: Compressor<'static>,
    buffer: Vec<u8>,
}

impl PageCompressor {
    fn new() -> io::Result<PageCompressor> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
        // Every reader of zstd compares it, so that no damaged page is read as other values.
        compressor.include_checksum(true)?;
        Ok(PageCompressor { compressor, buffer: Vec::new() })
    }

    fn compress(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        self.buffer.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        self.compressor.compress_to_buffer(bytes, &mut self.buffer)?;
        let frame = Bytes::copy_from_slice(&self.buffer);
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES);
        Ok(frame)
    }
}

/// These bytes as one frame with a checksum.
pub(super) fn compress(bytes: &[u8]) -> io::Result<Bytes> {
    thread_local! {
        static COMPRESSOR: RefCell<Option<PageCompressor>> = const { RefCell::new(None) };
    }
    COMPRESSOR.with_borrow_mut(|of_thread| {
        let compressor = match of_thread {
            Some(compressor) => compressor,
            None => of_thread.insert(PageCompressor::new()?),
        };
        compressor.compress(bytes)
    })
}
