//! One look at all bytes of a line, many at once, before it is read.

/// Bytes that are looked at together.
const CHUNK: usize = 32;

/// The longest line whose quotes are counted: a byte counts those of one place in all chunks.
pub(in crate::shape) const COUNTED_BYTES_MAX: usize = 255 * CHUNK;

/// What a line has.
#[derive(Clone, Copy)]
pub(in crate::shape) struct Scan {
    /// Whether it has control characters.
    pub(in crate::shape) has_control: bool,
    /// Whether it has backslashes.
    pub(in crate::shape) has_backslash: bool,
    /// How many quotes it has, if it is no longer than [`COUNTED_BYTES_MAX`].
    pub(in crate::shape) quotes: usize,
}

/// What was seen at each place of the chunks.
struct Lanes {
    /// The least byte.
    least: [u8; CHUNK],
    /// The least that is left of a byte without the bits of a backslash: nothing of a backslash itself.
    beside_backslash: [u8; CHUNK],
    quotes: [u8; CHUNK],
}

impl Lanes {
    /// Looks at a chunk. The quotes among its first bytes were counted before.
    #[inline]
    fn see(&mut self, chunk: &[u8; CHUNK], counted: u8) {
        for (lane, byte) in (0..).zip(chunk) {
            let at = usize::from(lane);
            self.least[at] = self.least[at].min(*byte);
            self.beside_backslash[at] = self.beside_backslash[at].min(*byte ^ b'\\');
            let is_quote = (*byte == b'"') & (lane >= counted);
            self.quotes[at] = self.quotes[at].wrapping_add(u8::from(is_quote));
        }
    }
}

impl Scan {
    /// Looks at a line.
    #[inline]
    pub(in crate::shape) fn of(line: &[u8]) -> Scan {
        let mut lanes = Lanes { least: [u8::MAX; CHUNK], beside_backslash: [u8::MAX; CHUNK], quotes: [0; CHUNK] };
        let (chunks, rest) = line.as_chunks();
        for chunk in chunks {
            lanes.see(chunk, 0);
        }
        match line.last_chunk() {
            // It has bytes of the chunk before it: looking at them again takes less time than at the rest byte by byte.
            Some(last) => lanes.see(last, (CHUNK - rest.len()) as u8),
            None => {
                let mut padded = [b' '; CHUNK];
                padded[..rest.len()].copy_from_slice(rest);
                lanes.see(&padded, 0);
            }
        }
        let least = |lanes: [u8; CHUNK]| lanes.into_iter().fold(u8::MAX, u8::min);
        Scan {
            has_control: least(lanes.least) < b' ',
            has_backslash: least(lanes.beside_backslash) == 0,
            quotes: lanes.quotes.into_iter().map(usize::from).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_seen_once() {
        for length in [0, 1, 8, 31, 32, 33, 63, 64, 65, 200, COUNTED_BYTES_MAX] {
            let plain = vec![b'a'; length];
            let scan = Scan::of(&plain);
            assert_eq!((scan.has_control, scan.has_backslash, scan.quotes), (false, false, 0));
            assert_eq!(Scan::of(&vec![b'"'; length]).quotes, length);
            for at in (0..length).filter(|at| *at < 70 || length - at < 70) {
                let with = |byte| {
                    let mut line = plain.clone();
                    line[at] = byte;
                    let scan = Scan::of(&line);
                    (scan.has_control, scan.has_backslash, scan.quotes)
                };
                assert_eq!(with(b'\\'), (false, true, 0), "{length} {at}");
                assert_eq!(with(b'"'), (false, false, 1), "{length} {at}");
                assert_eq!(with(31), (true, false, 0), "{length} {at}");
                assert_eq!(with(0xff), (false, false, 0), "{length} {at}");
            }
        }
    }
}
