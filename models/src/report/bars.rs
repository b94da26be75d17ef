//! A plot of values side by side, each with its interval.

use super::COLOURS;
use super::text::{axis_end, escaped, number};

const WIDTH: f64 = 860.0;
const ROW: f64 = 30.0;
const TOP: f64 = 34.0;
/// Where bars begin, and the room on their right for numbers.
const LEFT: f64 = 200.0;
const RIGHT: f64 = 90.0;

/// A plot of horizontal bars.
#[derive(Clone, Debug)]
pub struct Bars {
    /// What the values are.
    pub title: String,
    /// The bars, from the top.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Its length; at least 0.
    pub value: f64,
    /// The bounds of its interval.
    pub bounds: Option<(f64, f64)>,
}

impl Bars {
    pub(super) fn svg(&self) -> String {
        let largest = self.bars.iter().map(|bar| bar.bounds.map_or(bar.value, |(_, high)| high.max(bar.value)));
        let end = axis_end(largest.fold(0.0, f64::max));
        let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * (value / end).clamp(0.0, 1.0);
        let height = TOP + ROW * self.bars.len() as f64 + 10.0;
        let title = escaped(&self.title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\" \
             font-size=\"14\">\n<text x=\"0\" y=\"20\" font-weight=\"600\">{title}</text>\n"
        );
        for (place, bar) in self.bars.iter().enumerate() {
            let (top, colour) = (TOP + ROW * place as f64, COLOURS[place % COLOURS.len()]);
            let middle = top + ROW / 2.0;
            svg += &format!(
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/>",
                LEFT - 8.0,
                middle + 5.0,
                escaped(&bar.name),
                top + 5.0,
                x(bar.value) - LEFT,
                ROW - 10.0
            );
            let mut right = x(bar.value);
            if let Some((low, high)) = bar.bounds {
                right = right.max(x(high));
                let (low, high) = (x(low), x(high));
                svg += &format!(
                    "<path d=\"M{low:.1} {middle}H{high:.1}M{low:.1} {0}v8M{high:.1} {0}v8\" stroke=\"#000\" fill=\"none\"/>",
                    middle - 4.0
                );
            }
            svg += &format!("<text x=\"{:.1}\" y=\"{}\">{}</text>\n", right + 6.0, middle + 5.0, number(bar.value));
        }
        svg + "</svg>\n"
    }
}
