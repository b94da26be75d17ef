//! Steps through plain JSON text: one method for each piece of its grammar.

use std::borrow::Cow;

use super::Slot;

/// Objects and arrays inside a skipped value, above which a line is not plain. Bounds the recursion.
const DEPTH_MAX: usize = 8;

/// Digits of a number, fraction included, above which a line is not plain: as many as the shortest text of a double needs.
const DIGITS_MAX: usize = 17;

/// A place in a line. Every method that returns none has found something that is not plain.
pub(super) struct Cursor<'a> {
    line: &'a str,
    place: usize,
}

impl<'a> Cursor<'a> {
    /// At the beginning of a line, which must have no backslashes and no control characters.
    pub(super) fn new(line: &'a str) -> Self {
        Cursor { line, place: 0 }
    }

    /// Goes past spaces and requires the end of the line.
    pub(super) fn end(&mut self) -> Option<()> {
        self.spaces();
        (self.place == self.line.len()).then_some(())
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.place).copied()
    }

    /// A plain line has no other white space than this.
    #[inline]
    fn spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.place += 1;
        }
    }

    /// Goes past spaces and the given byte.
    #[inline]
    pub(super) fn token(&mut self, token: u8) -> Option<()> {
        self.spaces();
        let found = self.peek() == Some(token);
        self.place += usize::from(found);
        found.then_some(())
    }

    /// Goes past spaces and a comma or the closing byte; true for the comma.
    #[inline]
    fn comma_or(&mut self, close: u8) -> Option<bool> {
        self.spaces();
        let byte = self.peek()?;
        self.place += 1;
        (byte == b',' || byte == close).then_some(byte == b',')
    }

    /// The members of an object that has any, from after its opening brace to after its closing one. `member` gets the
    /// name, and must go past the value.
    #[inline]
    pub(super) fn members(&mut self, mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        loop {
            self.token(b'"')?;
            let name = self.text()?;
            self.token(b':')?;
            self.spaces();
            member(self, name)?;
            if !self.comma_or(b'}')? {
                return Some(());
            }
        }
    }

    /// A text or a number that begins here; none if it is any other value.
    #[inline]
    pub(super) fn slot(&mut self) -> Option<Slot<'a>> {
        match self.peek()? {
            b'"' => {
                self.place += 1;
                let start = self.place;
                let end = start + self.text()?.len();
                Some(Slot::Text(Cow::Borrowed(self.line.get(start..end)?)))
            }
            b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    /// Goes past a value that begins here.
    pub(super) fn skip(&mut self) -> Option<()> {
        self.skip_nested(DEPTH_MAX)
    }

    /// From after the opening quote to after the closing one, which is the next as the line has no escapes.
    #[inline]
    fn text(&mut self) -> Option<&'a [u8]> {
        let bytes = self.line.as_bytes();
        let start = self.place;
        let mut end = start;
        while let Some(chunk) = bytes.get(end..).and_then(<[u8]>::first_chunk) {
            let quotes = quotes(u64::from_le_bytes(*chunk));
            if quotes != 0 {
                end += quotes.trailing_zeros() as usize / 8;
                self.place = end + 1;
                return bytes.get(start..end);
            }
            end += 8;
        }
        while *bytes.get(end)? != b'"' {
            end += 1;
        }
        self.place = end + 1;
        bytes.get(start..end)
    }

    /// A number of no sign, few digits and no exponent.
    #[inline]
    fn number(&mut self) -> Option<Slot<'a>> {
        let start = self.place;
        let whole = self.digits(0);
        let whole_digits = self.place - start;
        if whole_digits > 1 && self.line.as_bytes()[start] == b'0' {
            return None;
        }
        if self.peek() != Some(b'.') {
            return (whole_digits <= DIGITS_MAX).then_some(Slot::Unsigned(whole));
        }
        self.place += 1;
        let fraction_start = self.place;
        let number = self.digits(whole);
        let fraction_digits = self.place - fraction_start;
        if fraction_digits == 0 || whole_digits + fraction_digits > DIGITS_MAX {
            return None;
        }
        // Exact up to 15 digits; with more it may be one unit in the last place off, just as the general parser's is.
        Some(Slot::Float(number as f64 / POWERS_OF_TEN[fraction_digits]))
    }

    /// Appends the digits that follow to a number. What overflows has too many digits to be used.
    #[inline]
    fn digits(&mut self, mut number: u64) -> u64 {
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.place += 1;
        }
        number
    }

    fn skip_nested(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => {
                self.place += 1;
                self.text().map(drop)
            }
            b'{' => {
                self.place += 1;
                let depth = depth.checked_sub(1)?;
                self.members(|cursor, _| cursor.skip_nested(depth))
            }
            b'[' => {
                self.place += 1;
                let depth = depth.checked_sub(1)?;
                loop {
                    self.spaces();
                    self.skip_nested(depth)?;
                    if !self.comma_or(b']')? {
                        return Some(());
                    }
                }
            }
            b'0'..=b'9' => self.number().map(drop),
            _ => ["true", "false", "null"].into_iter().find_map(|word| {
                let found = self.line.as_bytes()[self.place..].starts_with(word.as_bytes());
                self.place += if found { word.len() } else { 0 };
                found.then_some(())
            }),
        }
    }
}

const POWERS_OF_TEN: [f64; DIGITS_MAX + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17];

/// The top bit of each byte that is a quote. The lowest bit set is right; those above it may be set by a borrow.
#[inline]
fn quotes(eight: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let zero_if_quote = eight ^ (ONES * b'"' as u64);
    zero_if_quote.wrapping_sub(ONES) & !zero_if_quote & (ONES * 0x80)
}
