//! Sliding the window by a second and by a day over order lines that fill it.

use crate::context::Context;
use crate::figures::Figures;
use crate::lab::{Lab, LabClock};
use crate::numbers::{ms, percentile};
use crate::orders::{Choice, Orders};

use dataflow::time::ServiceClock as _;

const DAY_MS: u64 = 86_400_000;
const WINDOW_DAYS: u64 = 30;
const SECONDS: usize = 100;

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let (lines, days) = if context.quick { (250_000, 3) } else { (1_250_000, 7) };
    let mut lab = Lab::start(1, LabClock::by_hand());
    let mut orders = Orders::new(&mut lab, Choice::Popular);
    let now = lab.lab_clock().now();
    // The clock moves a little while the lines are loaded; no line may expire meanwhile.
    lab.load(orders.spread(lines, now - WINDOW_DAYS * DAY_MS + 60_000..now));

    let seconds: Vec<f64> = (0..SECONDS).map(|_| ms(lab.slide(1000))).collect();
    figures.spread("slide_second_ms", &seconds);
    figures.put("slide_second_p99_ms", percentile(&seconds, 99.0));

    let mut slides = Vec::new();
    for _ in 0..days {
        slides.push(ms(lab.slide(DAY_MS)));
        // Expired lines are replaced, so that the next day expires as many.
        let now = lab.lab_clock().now();
        lab.load(orders.spread(lines / WINDOW_DAYS as usize, now - DAY_MS..now));
    }
    figures.spread("slide_day_ms", &slides);
    lab.stop();
    Ok(())
}
