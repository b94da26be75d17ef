//! A plot of values over time: one line for each series.

use super::COLOURS;
use super::text::{axis_end, escaped, number};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 36.0;

/// Limit of labels below the plot.
const LABELS_MAX: usize = 8;

/// A plot of series.
#[derive(Clone, Debug)]
pub struct Lines {
    /// What the values are.
    pub title: String,
    /// The name of each place, from the left.
    pub places: Vec<String>,
    /// The series.
    pub series: Vec<Series>,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its value at each place; at least 0.
    pub values: Vec<Option<f64>>,
}

impl Lines {
    pub(super) fn svg(&self) -> String {
        let all = self.series.iter().flat_map(|series| series.values.iter().flatten().copied());
        let end = axis_end(all.fold(0.0, f64::max));
        let last = self.places.len().saturating_sub(1).max(1) as f64;
        let x = |place: usize| LEFT + (WIDTH - LEFT - RIGHT) * place as f64 / last;
        let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / end).clamp(0.0, 1.0);
        let title = escaped(&self.title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\" \
             font-size=\"13\">\n<text x=\"0\" y=\"20\" font-size=\"14\" font-weight=\"600\">{title}</text>\n"
        );
        for part in 0..=4 {
            let value = end * f64::from(part) / 4.0;
            svg += &format!(
                "<path d=\"M{LEFT} {0:.1}H{1}\" stroke=\"#ddd\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>\n",
                y(value),
                WIDTH - RIGHT,
                LEFT - 6.0,
                y(value) + 4.0,
                number(value)
            );
        }
        let every = self.places.len().div_ceil(LABELS_MAX).max(1);
        for (place, name) in self.places.iter().enumerate().step_by(every) {
            let (x, y, name) = (x(place), HEIGHT - BOTTOM + 20.0, escaped(name));
            svg += &format!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{name}</text>\n");
        }
        for (number, series) in self.series.iter().enumerate() {
            svg += &series.svg(COLOURS[number % COLOURS.len()], TOP + 18.0 * number as f64, &x, &y);
        }
        svg + "</svg>\n"
    }
}

impl Series {
    /// The line, its points, and its name at a height of the legend.
    fn svg(&self, colour: &str, legend: f64, x: &impl Fn(usize) -> f64, y: &impl Fn(f64) -> f64) -> String {
        let (mut path, mut points, mut is_drawing) = (String::new(), String::new(), false);
        for (place, value) in self.values.iter().enumerate() {
            if let Some(value) = value {
                let (x, y) = (x(place), y(*value));
                path += &format!("{}{x:.1} {y:.1}", if is_drawing { 'L' } else { 'M' });
                points += &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{colour}\"/>");
            }
            is_drawing = value.is_some();
        }
        let (left, name) = (WIDTH - RIGHT + 14.0, escaped(&self.name));
        format!(
            "<path d=\"{path}\" stroke=\"{colour}\" stroke-width=\"2\" fill=\"none\"/>{points}\
             <rect x=\"{left}\" y=\"{}\" width=\"12\" height=\"4\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{}\">{name}</text>\n",
            legend - 2.0,
            left + 18.0,
            legend + 5.0
        )
    }
}
