//! The encoding of the database, and the conversion of its bytes to UTF-8.
//!
//! The server converts text for its clients. A single character that it cannot convert ends a whole query, and ends the log
//! for good. Therefore text arrives as it is stored wherever it can be converted here: then only one value is wrong.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// How the bytes that the server sends become text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Charset {
    /// They are UTF-8, or of an unknown encoding (`SQL_ASCII`); bytes that are not UTF-8 are refused.
    #[default]
    Utf8,
    /// Each byte is the character of that number.
    Latin1,
    /// Stored in this encoding.
    Stored(&'static Encoding),
    /// In an encoding that is not known here: the server converts them.
    Converted,
}

impl Charset {
    /// The charset of a database with this `server_encoding`.
    pub(crate) fn of(server_encoding: &str) -> Charset {
        // The name of the same encoding in the WHATWG's standard.
        let label = match server_encoding {
            "UTF8" | "SQL_ASCII" => return Charset::Utf8,
            "LATIN1" => return Charset::Latin1,
            "LATIN2" | "LATIN3" | "LATIN4" | "LATIN5" | "LATIN6" | "BIG5" | "GBK" => server_encoding.to_owned(),
            "LATIN7" => "iso-8859-13".to_owned(),
            "LATIN8" => "iso-8859-14".to_owned(),
            "LATIN9" => "iso-8859-15".to_owned(),
            "LATIN10" => "iso-8859-16".to_owned(),
            "KOI8R" => "koi8-r".to_owned(),
            "KOI8U" => "koi8-u".to_owned(),
            "EUC_JP" => "euc-jp".to_owned(),
            "EUC_KR" | "UHC" => "euc-kr".to_owned(),
            "EUC_CN" => "gbk".to_owned(),
            name => name.replace("ISO_8859_", "iso-8859-").replace("WIN", "windows-"),
        };
        Encoding::for_label(label.as_bytes()).map_or(Charset::Converted, Charset::Stored)
    }

    /// The text of these bytes; none if a character has no equivalent.
    pub(crate) fn decode<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        // All encodings of databases agree on ASCII.
        if let (true, Ok(text)) = (self.is_utf8() || bytes.is_ascii(), str::from_utf8(bytes)) {
            return Some(Cow::Borrowed(text));
        }
        match self {
            Charset::Utf8 | Charset::Converted => None,
            Charset::Latin1 => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
            Charset::Stored(encoding) => {
                let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
                // A byte without a character decodes as a control character here, and the server does not convert it.
                let nameless = |character: char| ('\u{80}'..='\u{9f}').contains(&character);
                (!text.contains(nameless)).then_some(text)
            }
        }
    }

    /// The client encoding with which a session sends bytes as they are stored; none if the server has to convert them.
    pub(crate) fn client_encoding(&self) -> Option<&'static str> {
        (*self != Charset::Converted).then_some("SQL_ASCII")
    }

    fn is_utf8(&self) -> bool {
        matches!(self, Charset::Utf8 | Charset::Converted)
    }
}

/// Bytes that are not text in readable form: UTF-8 stays, other bytes are written as `\xe9`.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text += chunk.valid();
        chunk.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_the_database_keeps_them() {
        let read = |name, bytes| Charset::of(name).decode(bytes).map(Cow::into_owned);
        for name in ["UTF8", "SQL_ASCII", "EUC_TW"] {
            assert_eq!((read(name, "é".as_bytes()).as_deref(), read(name, b"caf\xe9")), (Some("é"), None), "{name}");
        }
        for name in ["LATIN1", "LATIN9", "WIN1252"] {
            assert_eq!(read(name, b"caf\xe9").as_deref(), Some("café"), "{name}");
        }
        assert_eq!((read("WIN1252", b"\x80").as_deref(), read("WIN1252", b"\x81")), (Some("€"), None));
        assert_eq!(read("EUC_JP", b"\xc5\xc5\xb5\xa4").as_deref(), Some("電気"));
        assert_eq!(read("EUC_JP", b"\xc5"), None, "the second half is missing");
    }

    #[test]
    fn bytes_that_are_no_text_can_be_found() {
        assert_eq!(escaped(b"caf\xe9 \xc3\xa9"), "caf\\xe9 é");
    }
}
