//! Which rows of a page have a value: the definition levels of an optional column, in runs and packed bits.
//!
//! The [format](https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE) knows two kinds of runs. Here a page has
//! one run of equal levels, or all its levels are bits.

/// Bytes of a run of packed bits. Its header is then one byte.
const RUN_BYTES: usize = 63;

/// The levels of an open page.
#[derive(Default)]
pub(super) struct PageLevels {
    /// A bit for each row before the latest rows, the first row's the lowest of the first byte; set if the row has a value.
    bits: Vec<u8>,
    rows_in_bits: u32,
    /// The latest rows, all of which have a value, or none of which has one.
    latest_rows: u32,
    latest_have_value: bool,
}

impl PageLevels {
    #[inline]
    pub(super) fn push(&mut self, has_value: bool) {
        if has_value != self.latest_have_value {
            self.pack_latest();
            self.latest_have_value = has_value;
        }
        self.latest_rows += 1;
    }

    fn pack_latest(&mut self) {
        while self.latest_rows > 0 {
            let bit = self.rows_in_bits % u8::BITS;
            if bit == 0 {
                self.bits.push(0);
            }
            let rows = self.latest_rows.min(u8::BITS - bit);
            if let Some(byte) = self.bits.last_mut().filter(|_| self.latest_have_value) {
                *byte |= (u8::MAX >> (u8::BITS - rows)) << bit;
            }
            self.rows_in_bits += rows;
            self.latest_rows -= rows;
        }
    }

    /// Moves the levels into a page: their length in four bytes, and the runs.
    pub(super) fn move_into(&mut self, page: &mut Vec<u8>) {
        let start = page.len();
        page.extend([0; size_of::<u32>()]);
        if self.bits.is_empty() {
            put_run(page, self.latest_rows, u8::from(self.latest_have_value));
        } else {
            self.pack_latest();
            for run in self.bits.chunks(RUN_BYTES) {
                put_varint(page, run.len() as u64 * 2 + 1);
                page.extend_from_slice(run);
            }
        }
        let runs = page.len() - start - size_of::<u32>();
        page[start..start + size_of::<u32>()].copy_from_slice(&(runs as u32).to_le_bytes());
        self.bits.clear();
        (self.rows_in_bits, self.latest_rows, self.latest_have_value) = (0, 0, false);
    }

    pub(super) fn memory(&self) -> usize {
        self.bits.capacity()
    }
}

/// A run of equal levels or indexes of at most eight bits.
pub(super) fn put_run(out: &mut Vec<u8>, rows: u32, value: u8) {
    put_varint(out, u64::from(rows) * 2);
    out.push(value);
}

/// A number in groups of seven bits, the lowest first.
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(rows: &[bool]) -> Vec<u8> {
        let (mut levels, mut page) = (PageLevels::default(), vec![7]);
        rows.iter().for_each(|row| levels.push(*row));
        levels.move_into(&mut page);
        let mut again = Vec::new();
        levels.move_into(&mut again);
        assert_eq!(again, [2, 0, 0, 0, 0, 0], "nothing is left");
        page
    }

    #[test]
    fn equal_levels_are_one_run_and_others_are_bits() {
        assert_eq!(encoded(&[true; 100]), [7, 3, 0, 0, 0, 200, 1, 1]);
        assert_eq!(encoded(&[false; 3]), [7, 2, 0, 0, 0, 6, 0]);
        let rows = [true, false, false, true, true, true, true, true, false, true];
        assert_eq!(encoded(&rows), [7, 3, 0, 0, 0, 5, 0b1111_1001, 0b10]);
        let mut rows = [true; 63 * 8 + 1];
        rows[0] = false;
        let page = encoded(&rows);
        assert_eq!((page[5], page[6], page[69], page[70]), (127, 0b1111_1110, 3, 1));
        assert_eq!((page.len(), page[1]), (71, 66));
    }
}
