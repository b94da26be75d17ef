//! The encoding in which the database keeps its text, and how its bytes become UTF-8 here.
//!
//! The server converts text for its clients, and a single character that it cannot convert ends a whole query, and the log
//! for good. Therefore bytes come as they are stored wherever they can be converted here: then one value is wrong, and not
//! everything around it.

use std::borrow::Cow;

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GBK, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6, ISO_8859_7,
    ISO_8859_8, ISO_8859_10, ISO_8859_13, ISO_8859_14, ISO_8859_15, ISO_8859_16, KOI8_R, KOI8_U, WINDOWS_874,
    WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1253, WINDOWS_1254, WINDOWS_1255, WINDOWS_1256, WINDOWS_1257,
    WINDOWS_1258,
};

/// How the bytes that the server sends become text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Charset {
    /// They are UTF-8, or of an unknown encoding (`SQL_ASCII`): bytes that are not UTF-8 are refused.
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
    /// Of a database whose `server_encoding` is that.
    pub(crate) fn of(server_encoding: &str) -> Charset {
        Charset::Stored(match server_encoding {
            "UTF8" | "SQL_ASCII" => return Charset::Utf8,
            "LATIN1" => return Charset::Latin1,
            "LATIN2" => ISO_8859_2,
            "LATIN3" => ISO_8859_3,
            "LATIN4" => ISO_8859_4,
            "LATIN5" => WINDOWS_1254,
            "LATIN6" => ISO_8859_10,
            "LATIN7" => ISO_8859_13,
            "LATIN8" => ISO_8859_14,
            "LATIN9" => ISO_8859_15,
            "LATIN10" => ISO_8859_16,
            "ISO_8859_5" => ISO_8859_5,
            "ISO_8859_6" => ISO_8859_6,
            "ISO_8859_7" => ISO_8859_7,
            "ISO_8859_8" => ISO_8859_8,
            "KOI8R" => KOI8_R,
            "KOI8U" => KOI8_U,
            "WIN874" => WINDOWS_874,
            "WIN1250" => WINDOWS_1250,
            "WIN1251" => WINDOWS_1251,
            "WIN1252" => WINDOWS_1252,
            "WIN1253" => WINDOWS_1253,
            "WIN1254" => WINDOWS_1254,
            "WIN1255" => WINDOWS_1255,
            "WIN1256" => WINDOWS_1256,
            "WIN1257" => WINDOWS_1257,
            "WIN1258" => WINDOWS_1258,
            "EUC_JP" => EUC_JP,
            "EUC_KR" | "UHC" => EUC_KR,
            "EUC_CN" | "GBK" => GBK,
            "BIG5" => BIG5,
            _ => return Charset::Converted,
        })
    }

    /// The text of these bytes; none if a character has no equivalent.
    pub(crate) fn decode<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        // Every encoding that a database can have writes ASCII alike.
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

    /// What makes a session send bytes as they are stored; none where the server is to convert them.
    pub(crate) fn client_encoding(&self) -> Option<&'static str> {
        (*self != Charset::Converted).then_some("SQL_ASCII")
    }

    fn is_utf8(&self) -> bool {
        matches!(self, Charset::Utf8 | Charset::Converted)
    }
}

/// Bytes that are not text, readable for a person: UTF-8 stays, other bytes are written `\xe9`.
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
