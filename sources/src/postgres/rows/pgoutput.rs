//! The messages about a transaction's rows (pgoutput, protocol version 1): one message at a time, borrowed from its
//! bytes. Layouts: "Logical Replication Message Formats" in PostgreSQL's documentation.
//!
//! Begin, Commit and messages of the application are taken out before by the client library. Any bytes give a message or
//! an [`Error`], never a panic, and never more memory than a small multiple of their length.

use thiserror::Error;

use crate::postgres::session;

#[cfg(test)]
mod proptests;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// The columns of a table from here on.
    Relation(Relation<'a>),
    /// A row came.
    Insert { relation: u32, new: Tuple<'a> },
    /// A row changed. `old` is there when its key changed or the table gives whole rows.
    Update { relation: u32, old: Option<Tuple<'a>>, new: Tuple<'a> },
    /// A row went; `old` has its key at least.
    Delete { relation: u32, old: Tuple<'a> },
    /// All rows of these tables went.
    Truncate { relations: Vec<u32> },
    /// Nothing about rows: types and origins.
    Other,
}

/// A table as its log describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation<'a> {
    pub(crate) id: u32,
    /// Names are as the database keeps them, in its encoding.
    pub(crate) schema: &'a [u8],
    pub(crate) name: &'a [u8],
    /// Old rows come whole.
    pub(crate) full: bool,
    pub(crate) columns: Vec<RelationColumn<'a>>,
}

/// A column that is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RelationColumn<'a> {
    pub(crate) name: &'a [u8],
    /// Part of what identifies a row.
    pub(crate) key: bool,
    /// The type's number.
    pub(crate) kind: u32,
}

/// The values of one row, in the order of the relation's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tuple<'a>(pub(crate) Vec<TupleValue<'a>>);

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TupleValue<'a> {
    Null,
    /// It is stored apart, has not changed and is not sent.
    Kept,
    Text(&'a [u8]),
}

/// The bytes are no message of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Error {
    #[error("the message ends early")]
    Short,
    #[error("the message has {0} bytes too many")]
    Long(usize),
    #[error("unknown tag {0:#04x}")]
    Tag(u8),
}

impl From<Error> for session::error::Error {
    fn from(error: Error) -> Self {
        session::error::Error::Protocol(error.to_string())
    }
}

/// Reads one message.
pub(crate) fn decode(bytes: &[u8]) -> Result<Message<'_>, Error> {
    let mut bytes = MessageBytes(bytes);
    let message = match bytes.byte()? {
        b'R' => Message::Relation(relation(&mut bytes)?),
        b'I' => {
            let relation = bytes.number()?;
            bytes.tag(b'N')?;
            Message::Insert { relation, new: bytes.tuple()? }
        }
        b'U' => {
            let relation = bytes.number()?;
            let (old, tag) = match bytes.byte()? {
                b'K' | b'O' => (Some(bytes.tuple()?), bytes.byte()?),
                tag => (None, tag),
            };
            expect(tag, b'N')?;
            Message::Update { relation, old, new: bytes.tuple()? }
        }
        b'D' => {
            let relation = bytes.number()?;
            match bytes.byte()? {
                b'K' | b'O' => Message::Delete { relation, old: bytes.tuple()? },
                tag => return Err(Error::Tag(tag)),
            }
        }
        b'T' => {
            let count = bytes.number()?;
            // Options: cascade, restart of sequences. Neither is about rows.
            bytes.byte()?;
            let relations = (0..count).map(|_| bytes.number()).collect::<Result<_, _>>()?;
            Message::Truncate { relations }
        }
        b'Y' | b'O' => return Ok(Message::Other),
        tag => return Err(Error::Tag(tag)),
    };
    match bytes.0.len() {
        0 => Ok(message),
        more => Err(Error::Long(more)),
    }
}

fn relation<'a>(bytes: &mut MessageBytes<'a>) -> Result<Relation<'a>, Error> {
    let (id, schema, name) = (bytes.number()?, bytes.name()?, bytes.name()?);
    let full = bytes.byte()? == b'f';
    let count = bytes.short()?;
    let column = |bytes: &mut MessageBytes<'a>| {
        let (flags, name, kind) = (bytes.byte()?, bytes.name()?, bytes.number()?);
        // The type's modifier, such as a length.
        bytes.number()?;
        Ok(RelationColumn { name, key: flags & 1 == 1, kind })
    };
    let columns = (0..count).map(|_| column(bytes)).collect::<Result<_, _>>()?;
    Ok(Relation { id, schema, name, full, columns })
}

fn expect(tag: u8, expected: u8) -> Result<(), Error> {
    if tag == expected { Ok(()) } else { Err(Error::Tag(tag)) }
}

/// What is left of the message.
struct MessageBytes<'a>(&'a [u8]);

impl<'a> MessageBytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Error::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?[0])
    }

    fn tag(&mut self, expected: u8) -> Result<(), Error> {
        expect(self.byte()?, expected)
    }

    fn short(&mut self) -> Result<u16, Error> {
        Ok(u16::from_be_bytes(self.take(2)?.try_into().expect("two bytes were taken")))
    }

    fn number(&mut self) -> Result<u32, Error> {
        Ok(u32::from_be_bytes(self.take(4)?.try_into().expect("four bytes were taken")))
    }

    fn name(&mut self) -> Result<&'a [u8], Error> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(Error::Short)?;
        let name = self.take(end)?;
        self.byte()?;
        Ok(name)
    }

    fn tuple(&mut self) -> Result<Tuple<'a>, Error> {
        let count = self.short()?;
        let value = |bytes: &mut Self| match bytes.byte()? {
            b'n' => Ok(TupleValue::Null),
            b'u' => Ok(TupleValue::Kept),
            b't' => {
                let length = bytes.number()?;
                Ok(TupleValue::Text(bytes.take(length as usize)?))
            }
            tag => Err(Error::Tag(tag)),
        };
        Ok(Tuple((0..count).map(|_| value(self)).collect::<Result<_, _>>()?))
    }
}
