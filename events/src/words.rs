//! Short texts eight bytes at a time, each eight as a number of 64 bits whose lowest byte is the first.

const WORD: usize = size_of::<u64>();

/// The top bit of each byte that is a quote; see [`zeros`].
#[inline]
pub(crate) fn quotes(eight: u64) -> u64 {
    zeros(eight ^ (ONES * u64::from(b'"')))
}

/// The top bit of each byte that is a backslash; see [`zeros`].
#[inline]
pub(crate) fn backslashes(eight: u64) -> u64 {
    zeros(eight ^ (ONES * u64::from(b'\\')))
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);

/// The top bit of each byte that is zero. The lowest bit set is right; those above it may be set by a borrow.
#[inline]
fn zeros(eight: u64) -> u64 {
    eight.wrapping_sub(ONES) & !eight & (ONES * 0x80)
}

/// Whether two texts of one length are equal. They are short: a call of the function for texts of any length takes longer
/// than comparing them word by word.
#[inline]
pub(crate) fn are_equal(one: &[u8], other: &[u8]) -> bool {
    let Some((last, last_of_other)) = one.last_chunk::<WORD>().zip(other.last_chunk::<WORD>()) else {
        return one.iter().zip(other).all(|(byte, of_other)| byte == of_other);
    };
    let mut differ = u64::from_ne_bytes(*last) ^ u64::from_ne_bytes(*last_of_other);
    for (word, of_other) in one.as_chunks::<WORD>().0.iter().zip(other.as_chunks::<WORD>().0) {
        differ |= u64::from_ne_bytes(*word) ^ u64::from_ne_bytes(*of_other);
    }
    differ == 0
}

/// Whether a text has a backslash.
#[inline]
pub(crate) fn has_backslash(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk::<WORD>() else { return text.contains(&b'\\') };
    let mut found = backslashes(u64::from_le_bytes(*last));
    for word in text.as_chunks::<WORD>().0 {
        found |= backslashes(u64::from_le_bytes(*word));
    }
    found != 0
}

/// The top bit of each byte that is no digit. The lowest bit set is right; those above it may be set by a carry.
#[inline]
fn no_digits(digits: [u8; WORD]) -> u64 {
    let ones = u64::from_le_bytes(digits) ^ ZEROS;
    (ones.wrapping_add(u64::from_ne_bytes([0x76; WORD])) | ones) & (ONES * 0x80)
}

const ZEROS: u64 = u64::from_ne_bytes([b'0'; WORD]);

/// How many digits eight bytes begin with.
#[inline]
pub(crate) fn leading_digits(eight: [u8; WORD]) -> usize {
    no_digits(eight).trailing_zeros() as usize / 8
}

/// The number that eight digits are, in a few steps for all of them; none if not all are digits.
#[inline]
pub(crate) fn eight_digits(digits: [u8; WORD]) -> Option<u64> {
    if no_digits(digits) != 0 {
        return None;
    }
    let ones = u64::from_le_bytes(digits) ^ ZEROS;
    // The first digit is in the lowest byte. Neighbours become numbers of two digits, of four, and of eight.
    let twos = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos * 100 + (twos >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_equal_in_every_byte_or_not() {
        for length in 0..40 {
            let text: Vec<u8> = (0..length).collect();
            assert!(are_equal(&text, &text));
            for at in 0..text.len() {
                let mut other = text.clone();
                other[at] ^= 128;
                assert!(!are_equal(&text, &other), "{length} {at}");
            }
        }
    }

    #[test]
    fn a_backslash_is_found_wherever_it_stands() {
        for length in 0..40 {
            let text = vec![b'\\' + 1; length];
            assert!(!has_backslash(&text));
            for at in 0..length {
                let mut text = text.clone();
                text[at] = b'\\';
                assert!(has_backslash(&text), "{length} {at}");
            }
        }
    }

    #[test]
    fn eight_digits_are_the_number_that_they_are() {
        for number in (0..100_000_000_u64).step_by(7919).chain([9, 99_999_999, 90_000_000, 12_345_678]) {
            let digits: [u8; 8] = format!("{number:08}").into_bytes().try_into().unwrap();
            assert_eq!(eight_digits(digits), Some(number));
            for (at, other) in (0..8).zip([0, b'/', b':', b'.', b'9' + 7, 0x80, 0xb0, 0xff]) {
                let mut digits = digits;
                digits[at] = other;
                assert_eq!(eight_digits(digits), None, "{digits:?}");
            }
        }
    }
}
