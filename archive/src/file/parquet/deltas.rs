//! Whole numbers as differences, in `DELTA_BINARY_PACKED`.
//!
//! ```text
//! page:  128, 4, values, first value │ block │ block │ …
//! block: smallest difference │ bits of each of 4 parts │ part │ part │ part │ part      a part: 32 differences less the smallest
//! ```
//! See the [format](https://parquet.apache.org/docs/file-format/data-pages/encodings/#DELTAENC). Numbers that rise by the same
//! step take no bits at all.

use super::levels::put_varint;

const BLOCK: usize = 128;
const PARTS: usize = 4;
const PART: usize = BLOCK / PARTS;

/// The numbers of an open page.
#[derive(Default)]
pub(super) struct Deltas {
    /// The differences of the open block. They wrap around, as sums do when they are read.
    block: Vec<i64>,
    first: i64,
    last: i64,
    values: u64,
}

impl Deltas {
    /// Adds a number. Blocks go to `out`.
    #[inline]
    pub(super) fn push(&mut self, value: i64, out: &mut Vec<u8>) {
        if self.values == 0 {
            self.first = value;
        } else {
            self.block.push(value.wrapping_sub(self.last));
            if self.block.len() == BLOCK {
                self.end_block(out);
            }
        }
        self.last = value;
        self.values += 1;
    }

    /// Ends the page: the last block goes to `out`. Returns what stands before the blocks.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Vec<u8> {
        if !self.block.is_empty() {
            self.end_block(out);
        }
        let mut head = Vec::new();
        put_varint(&mut head, BLOCK as u64);
        put_varint(&mut head, PARTS as u64);
        put_varint(&mut head, self.values);
        put_signed(&mut head, self.first);
        (self.first, self.last, self.values) = (0, 0, 0);
        head
    }

    fn end_block(&mut self, out: &mut Vec<u8>) {
        let smallest = self.block.iter().copied().min().unwrap_or(0);
        put_signed(out, smallest);
        let bits_at = out.len();
        out.extend([0; PARTS]);
        for (part, deltas) in self.block.chunks(PART).enumerate() {
            let above = |delta: &i64| delta.wrapping_sub(smallest) as u64;
            let all = deltas.iter().fold(0, |all, delta| all | above(delta));
            let bits = u64::BITS - all.leading_zeros();
            out[bits_at + part] = bits as u8;
            if bits > 0 {
                pack(deltas.iter().map(above), bits, out);
            }
        }
        self.block.clear();
    }
}

/// Packs up to 32 numbers of the given width in bits, the lowest first. Numbers that are missing are zeros.
fn pack(numbers: impl Iterator<Item = u64>, bits: u32, out: &mut Vec<u8>) {
    let (mut held, mut held_bits) = (0_u128, 0);
    for number in numbers.chain(std::iter::repeat(0)).take(PART) {
        held |= u128::from(number) << held_bits;
        held_bits += bits;
        if held_bits >= u64::BITS {
            out.extend_from_slice(&(held as u64).to_le_bytes());
            held >>= u64::BITS;
            held_bits -= u64::BITS;
        }
    }
    // 32 numbers end within a byte of no number: four bytes or none are left.
    out.extend_from_slice(&(held as u64).to_le_bytes()[..held_bits as usize / 8]);
}

/// A signed number as a varint: 0, -1, 1, -2, …
fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_varint(out, (number.wrapping_shl(1) ^ (number >> 63)) as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(numbers: impl IntoIterator<Item = i64>) -> Vec<u8> {
        let (mut deltas, mut blocks) = (Deltas::default(), Vec::new());
        numbers.into_iter().for_each(|number| deltas.push(number, &mut blocks));
        let head = deltas.end(&mut blocks);
        [head, blocks].concat()
    }

    #[test]
    fn the_examples_of_the_format_are_encoded_as_it_says() {
        // Five numbers that rise by one: no bits.
        assert_eq!(encoded(1..=5), [0x80, 1, 4, 5, 2, 2, 0, 0, 0, 0]);
        // 7, 5, 3, 1, 2, 3, 4, 5: differences -2 -2 -2 1 1 1 1, which are 0 0 0 3 3 3 3 above the smallest, in two bits.
        let packed = [0b1100_0000, 0b0011_1111, 0, 0, 0, 0, 0, 0];
        assert_eq!(encoded([7, 5, 3, 1, 2, 3, 4, 5]), [&[0x80, 1, 4, 8, 14, 3, 2, 0, 0, 0][..], &packed].concat());
        assert_eq!(encoded([]), [0x80, 1, 4, 0, 0]);
        assert_eq!(encoded([-3]), [0x80, 1, 4, 1, 5]);
    }
}
