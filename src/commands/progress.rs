//! Progress bars on stderr, only where a person looks at it.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Draws per second; more would only flicker.
const DRAWS_PER_SECOND: u8 = 10;

/// A bar over `count` items. Hidden if stderr is not a terminal.
pub(super) fn items(name: &'static str, count: u64) -> ProgressBar {
    bar(name, count, "{prefix:>10} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}")
}

/// A bar that shows a percentage and a message, for any unit.
pub(super) fn share(name: &'static str, all: u64) -> ProgressBar {
    bar(name, all, "{prefix:>10} {wide_bar} {percent:>3}% {eta} {msg}")
}

/// A bar over the bytes of a file; a spinner if the size is not known.
pub(super) fn bytes(name: &'static str, count: Option<u64>) -> ProgressBar {
    match count {
        Some(count) => bar(name, count, "{prefix:>10} {wide_bar} {bytes}/{total_bytes} {eta} {msg}"),
        None => {
            let spinner = bar(name, 0, "{prefix:>10} {spinner} {bytes} {msg}");
            spinner.enable_steady_tick(Duration::from_millis(1000 / u64::from(DRAWS_PER_SECOND)));
            spinner
        }
    }
}

fn bar(name: &'static str, count: u64, template: &str) -> ProgressBar {
    // The draw target hides itself if stderr is no terminal.
    let bar = ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND));
    bar.set_style(ProgressStyle::with_template(template).expect("the template is sound"));
    bar.set_prefix(name);
    bar
}
