//! Text in HTML and SVG, and numbers in plots.

/// The text with the characters that mean something in HTML replaced.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The upper end of an axis: the least of 1, 2 and 5 times a power of ten that is at least `largest`.
pub(super) fn axis_end(largest: f64) -> f64 {
    if !(largest > 0.0 && largest.is_finite()) {
        return 1.0;
    }
    let power = 10.0_f64.powf(largest.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= largest * 0.999_999);
    step.unwrap_or(10.0) * power
}

/// A number in a plot: three significant digits.
pub(super) fn number(value: f64) -> String {
    let digits = if value == 0.0 { 0 } else { (2 - value.abs().log10().floor() as i32).clamp(0, 6) };
    format!("{value:.*}", digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let ends = [0.48, 0.2, 0.021, 3.0, 7.0, 0.0].map(axis_end).map(number);
        assert_eq!(ends, ["0.500", "0.200", "0.0500", "5.00", "10.0", "1.00"]);
        assert_eq!((axis_end(f64::NAN), number(0.0), number(1234.5)), (1.0, "0".into(), "1234".into()));
    }
}
