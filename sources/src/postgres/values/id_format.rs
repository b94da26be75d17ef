//! Canonical ids: from the text of a value, as the server's output function writes it, to the text of an id.
//!
//! Two values that are equal in SQL must become one id, even if their types differ, and the log and a query must agree. Both
//! return the text of the output function; this module makes it canonical.

use std::borrow::Cow;

/// The longest number that is written out without an exponent.
const DIGITS_MAX: usize = 64;

/// How the values of a column become ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdFormat {
    /// The text as it is, which is the same for equal values.
    Plain,
    /// `t` and `f`, written out.
    Bool,
    /// `char(n)`: spaces at the end do not count.
    Padded,
    /// Without zeros at the end, sign of zero, and exponent: `1.00` is `1`.
    Number,
    /// An internet address, always with its mask.
    Address,
    /// Text in a column that is joined with a column of uuids: if it is a uuid, it is read as the server reads uuids.
    Uuid,
}

impl IdFormat {
    /// The format of values of this type that are compared with a setting, not with another column.
    pub(crate) fn of_values(kind: &str) -> IdFormat {
        match kind {
            "boolean" => IdFormat::Bool,
            "character" => IdFormat::Padded,
            "numeric" | "real" | "double precision" => IdFormat::Number,
            _ => IdFormat::Plain,
        }
    }

    /// The id of a value with this text.
    pub(crate) fn id(self, text: Cow<'_, str>) -> Cow<'_, str> {
        match (self, text) {
            (IdFormat::Plain, text) => text,
            (IdFormat::Bool, text) => match &*text {
                "t" => Cow::Borrowed("true"),
                "f" => Cow::Borrowed("false"),
                _ => text,
            },
            (IdFormat::Padded, Cow::Borrowed(text)) => Cow::Borrowed(text.trim_end_matches(' ')),
            (IdFormat::Padded, Cow::Owned(text)) => Cow::Owned(text.trim_end_matches(' ').to_owned()),
            (IdFormat::Number, text) => number(text),
            (IdFormat::Address, text) if text.contains('/') => text,
            (IdFormat::Address, text) => {
                let mask = if text.contains(':') { "/128" } else { "/32" };
                Cow::Owned(text.into_owned() + mask)
            }
            (IdFormat::Uuid, text) => uuid(&text).map_or(text, Cow::Owned),
        }
    }
}

fn number(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(['e', 'E']) {
        return written_out(&text).map_or(text, Cow::Owned);
    }
    let kept = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').len(),
        false => text.len(),
    };
    if &text[..kept] == "-0" {
        return Cow::Borrowed("0");
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..kept]),
        Cow::Owned(mut text) => {
            text.truncate(kept);
            Cow::Owned(text)
        }
    }
}

/// `1.5e+20` as `150000000000000000000`; none if it is not a number, or a very long one.
fn written_out(text: &str) -> Option<String> {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |text| ("-", text));
    let (mantissa, exponent) = text.split_once(['e', 'E'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The position of the point among the digits.
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent.parse().ok()?)?;
    let length = point.unsigned_abs().max(digits.len() as u64);
    if length > DIGITS_MAX as u64 {
        return None;
    }
    let (before, after) = match usize::try_from(point) {
        Ok(point) if point >= digits.len() => (format!("{digits:0<point$}"), String::new()),
        Ok(point) => (digits[..point].to_owned(), digits[point..].to_owned()),
        Err(_) => (String::new(), "0".repeat(usize::try_from(-point).ok()?) + &digits),
    };
    let before = match before.trim_start_matches('0') {
        "" => "0",
        before => before,
    };
    Some(number(Cow::Owned(format!("{sign}{before}.{after}"))).into_owned())
}

/// 32 hexadecimal digits, with hyphens and braces where they may be, as the server writes a uuid.
fn uuid(text: &str) -> Option<String> {
    let digits: String =
        text.chars().filter(|c| !matches!(c, '-' | '{' | '}')).map(|c| c.to_ascii_lowercase()).collect();
    let is_uuid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_uuid.then(|| {
        let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
        parts.join("-")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(form: IdFormat, text: &str) -> String {
        let borrowed = form.id(Cow::Borrowed(text)).into_owned();
        assert_eq!(borrowed, form.id(Cow::Owned(text.to_owned())));
        borrowed
    }

    #[test]
    fn equal_numbers_are_one_text() {
        for (text, written) in [
            ("1", "1"),
            ("1.00", "1"),
            ("-0", "0"),
            ("-0.000", "0"),
            ("100", "100"),
            ("0.50", "0.5"),
            ("-12.3400", "-12.34"),
            ("NaN", "NaN"),
            ("-Infinity", "-Infinity"),
            ("1e+20", "100000000000000000000"),
            ("1.234567e+06", "1234567"),
            ("-1.25e-05", "-0.0000125"),
            ("1.2345e+02", "123.45"),
            ("1e+300", "1e+300"),
        ] {
            assert_eq!(id(IdFormat::Number, text), written, "{text}");
        }
    }

    #[test]
    fn other_types_have_one_text_too() {
        assert_eq!((id(IdFormat::Bool, "t"), id(IdFormat::Bool, "f")), ("true".to_owned(), "false".to_owned()));
        assert_eq!((id(IdFormat::Padded, "ab  "), id(IdFormat::Plain, "ab  ")), ("ab".to_owned(), "ab  ".to_owned()));
        assert_eq!(id(IdFormat::Address, "10.0.0.1"), "10.0.0.1/32");
        assert_eq!(
            (id(IdFormat::Address, "::1"), id(IdFormat::Address, "10.0.0.0/8")),
            ("::1/128".into(), "10.0.0.0/8".into())
        );
        let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for text in [uuid, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc999c0b4ef8bb6d6bb9bd380a11}"] {
            assert_eq!(id(IdFormat::Uuid, text), uuid);
        }
        assert_eq!(id(IdFormat::Uuid, "Lamp-7"), "Lamp-7");
    }

    proptest! {
        #[test]
        fn a_float_is_the_number_it_is(value in any::<f64>().prop_filter("a number", |value| value.is_finite())) {
            let written = id(IdFormat::Number, &format!("{value:e}"));
            prop_assert_eq!(written.parse::<f64>().unwrap(), value);
            prop_assert_eq!(id(IdFormat::Number, &written), written);
        }

        #[test]
        fn any_text_is_an_id(text in "[-+0-9.eE]{0,20}|\\PC{0,12}") {
            for form in [IdFormat::Plain, IdFormat::Bool, IdFormat::Padded, IdFormat::Number, IdFormat::Address, IdFormat::Uuid] {
                let _ = id(form, &text);
            }
        }
    }
}
