//! Prices as decimal text: no binary fraction ever stands for an amount of money.

/// The most digits before the point, zeros at the start among them.
pub(crate) const WHOLE_DIGITS_MAX: usize = 12;

/// The amount `text` with exactly `digits` digits after the point.
///
/// # Errors
/// What `text` must be, when it is no plain decimal, is negative, or has more digits.
pub(crate) fn read(text: &str, digits: usize) -> Result<String, String> {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if plain(fraction) => (whole, fraction),
        Some(_) => ("", ""),
        None => (text, ""),
    };
    if !plain(whole) {
        return Err("must be a decimal of 0 or more, without an exponent".to_owned());
    }
    if fraction.len() > digits {
        return Err(format!("must have at most {digits} digits after the point"));
    }
    if whole.len() > WHOLE_DIGITS_MAX {
        return Err(format!("must have at most {WHOLE_DIGITS_MAX} digits before the point"));
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        trimmed => trimmed,
    };
    Ok(if digits == 0 { whole.to_owned() } else { format!("{whole}.{fraction:0<digits$}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_every_digit_and_take_no_other_form() {
        for (text, digits, amount) in [
            ("12.5", 2, "12.50"),
            ("007", 2, "7.00"),
            ("000000000001", 2, "1.00"),
            ("0", 0, "0"),
            ("0.001", 3, "0.001"),
            ("999999999999", 0, "999999999999"),
        ] {
            assert_eq!(read(text, digits).as_deref(), Ok(amount), "{text}");
        }
        let forms = ["", ".", "1.", ".5", "1e3", "1E3", "-1", "+1", "1,5", " 1", "١", "0x1", "NaN"];
        for text in forms.into_iter().chain(["1.234", "1000000000000", "0000000000001", "00000000000000001"]) {
            assert!(read(text, 2).is_err(), "{text}");
        }
    }
}
