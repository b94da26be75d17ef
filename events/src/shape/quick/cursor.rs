//! Steps through plain JSON text: one method for each piece of its grammar.

use super::scan::Scan;
use crate::words::{are_equal, backslashes, leading_digits, quotes};

/// Objects and arrays inside a value, above which a line is not plain. Bounds the recursion.
const DEPTH_MAX: usize = 8;

/// A position in a line. A method returns none when it finds something that is not plain.
#[derive(Clone, Copy)]
pub(in crate::shape) struct JsonCursor<'a> {
    line: &'a str,
    at: usize,
    /// What the whole line has.
    scan: Scan,
}

impl<'a> JsonCursor<'a> {
    /// At the beginning of a line; none if it has control characters.
    #[inline]
    pub(in crate::shape) fn new(line: &'a str) -> Option<Self> {
        let scan = Scan::of(line.as_bytes());
        (!scan.has_control).then_some(JsonCursor { line, at: 0, scan })
    }

    /// What the whole line has.
    #[inline]
    pub(in crate::shape) fn scan(&self) -> Scan {
        self.scan
    }

    /// The number of bytes before the position.
    #[inline]
    pub(in crate::shape) fn at(&self) -> usize {
        self.at
    }

    /// The text from a position up to this one.
    #[inline]
    pub(in crate::shape) fn since(&self, start: usize) -> Option<&'a str> {
        self.line.get(start..self.at)
    }

    /// The text between two positions before this one.
    #[inline]
    pub(in crate::shape) fn between(&self, start: usize, end: usize) -> Option<&'a str> {
        self.line.get(start..end)
    }

    /// Goes past exactly this text.
    #[inline]
    pub(in crate::shape) fn text(&mut self, text: &[u8]) -> Option<()> {
        let end = self.at.checked_add(text.len())?;
        are_equal(self.line.as_bytes().get(self.at..end)?, text).then(|| self.at = end)
    }

    /// Goes past this number of bytes and the text after them, if it is the given one.
    #[inline]
    pub(in crate::shape) fn bytes_and_text(&mut self, bytes: usize, text: &[u8]) -> Option<()> {
        let start = self.at;
        self.at = start.checked_add(bytes)?;
        let found = self.text(text);
        if found.is_none() {
            self.at = start;
        }
        found
    }

    /// Goes to the next quote.
    #[inline]
    pub(in crate::shape) fn find_quote(&mut self) -> Option<()> {
        self.at = self.find(quotes)?;
        Some(())
    }

    /// Requires the end of the line.
    #[inline]
    pub(in crate::shape) fn is_at_end(&self) -> Option<()> {
        (self.at == self.line.len()).then_some(())
    }

    /// Goes past spaces and requires the end of the line.
    pub(in crate::shape) fn end(&mut self) -> Option<()> {
        self.spaces();
        (self.at == self.line.len()).then_some(())
    }

    #[inline]
    pub(in crate::shape) fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    /// Goes past the next byte if it is the given one; whether it was.
    #[inline]
    fn eat(&mut self, byte: u8) -> bool {
        if self.peek() == Some(byte) {
            self.at += 1;
            return true;
        }
        false
    }

    /// A plain line has no other white space than this.
    #[inline]
    fn spaces(&mut self) {
        while self.eat(b' ') {}
    }

    /// Goes past spaces and the given byte.
    #[inline]
    pub(in crate::shape) fn token(&mut self, token: u8) -> Option<()> {
        self.spaces();
        self.eat(token).then_some(())
    }

    /// Goes past spaces and a comma or the closing byte; true for the comma.
    #[inline]
    fn comma_or(&mut self, close: u8) -> Option<bool> {
        self.spaces();
        let byte = self.peek()?;
        self.at += 1;
        (byte == b',' || byte == close).then_some(byte == b',')
    }

    /// The members of an object, from after its opening brace to after its closing one. `member` gets the name, and must
    /// go past the value.
    #[inline]
    pub(in crate::shape) fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        self.spaces();
        if self.eat(b'}') {
            return Some(());
        }
        loop {
            self.token(b'"')?;
            let start = self.at;
            self.string()?;
            let name = self.line.as_bytes().get(start..self.at - 1)?;
            if self.scan.has_backslash && name.contains(&b'\\') {
                return None;
            }
            self.token(b':')?;
            self.spaces();
            member(self, name)?;
            if !self.comma_or(b'}')? {
                return Some(());
            }
        }
    }

    /// Goes past a value that begins here, and returns its text.
    #[inline(always)]
    pub(in crate::shape) fn value(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.skip(DEPTH_MAX)?;
        self.since(start)
    }

    #[inline(always)]
    fn skip(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.string()
            }
            b'-' | b'0'..=b'9' => self.number(),
            b'{' | b'[' => self.skip_nested(depth.checked_sub(1)?),
            _ => ["true", "false", "null"].into_iter().find_map(|word| {
                let found = self.line.as_bytes()[self.at..].starts_with(word.as_bytes());
                self.at += if found { word.len() } else { 0 };
                found.then_some(())
            }),
        }
    }

    fn skip_nested(&mut self, depth: usize) -> Option<()> {
        if self.eat(b'{') {
            return self.members(|cursor, _| cursor.skip(depth));
        }
        self.token(b'[')?;
        self.spaces();
        if self.eat(b']') {
            return Some(());
        }
        loop {
            self.spaces();
            self.skip(depth)?;
            if !self.comma_or(b']')? {
                return Some(());
            }
        }
    }

    /// From after the opening quote to after the closing one.
    #[inline]
    pub(in crate::shape) fn string(&mut self) -> Option<()> {
        if self.scan.has_backslash {
            return self.string_with_escapes();
        }
        self.find_quote()?;
        self.at += 1;
        Some(())
    }

    /// Halves of surrogate pairs are no fault of the grammar.
    fn string_with_escapes(&mut self) -> Option<()> {
        let bytes = self.line.as_bytes();
        loop {
            self.at = self.find(|eight| quotes(eight) | backslashes(eight))?;
            if self.eat(b'"') {
                return Some(());
            }
            let (length, fine) = match bytes.get(self.at + 1)? {
                b'u' => (6, bytes.get(self.at + 2..self.at + 6)?.iter().all(u8::is_ascii_hexdigit)),
                escaped => (2, b"\"\\/bfnrt".contains(escaped)),
            };
            self.at += length;
            fine.then_some(())?;
        }
    }

    /// Where the first byte is that `marks` marks in eight bytes.
    #[inline]
    fn find(&self, marks: impl Fn(u64) -> u64) -> Option<usize> {
        let bytes = self.line.as_bytes();
        let mut at = self.at;
        loop {
            let rest = bytes.get(at..)?;
            let marked = match rest.first_chunk() {
                Some(chunk) => marks(u64::from_le_bytes(*chunk)),
                None if rest.is_empty() => return None,
                None => {
                    let mut chunk = [0; 8];
                    chunk[..rest.len()].copy_from_slice(rest);
                    marks(u64::from_le_bytes(chunk))
                }
            };
            if marked != 0 {
                return Some(at + marked.trailing_zeros() as usize / 8);
            }
            at += 8;
        }
    }

    #[inline]
    pub(in crate::shape) fn number(&mut self) -> Option<()> {
        self.eat(b'-');
        let leading_zero = self.peek() == Some(b'0');
        let whole_digits = self.digits()?;
        if leading_zero && whole_digits > 1 {
            return None;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Some(())
    }

    /// Goes past digits; returns how many, at least one.
    #[inline]
    fn digits(&mut self) -> Option<usize> {
        let start = self.at;
        while let Some(eight) = self.line.as_bytes().get(self.at..).and_then(<[u8]>::first_chunk) {
            let digits = leading_digits(*eight);
            self.at += digits;
            if digits < eight.len() {
                return Some(self.at - start).filter(|digits| *digits > 0);
            }
        }
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Some(self.at - start).filter(|digits| *digits > 0)
    }
}
