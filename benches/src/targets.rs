//! The targets and their figures. A missed target does not fail a run: figures are reported.

use std::fmt;

/// A figure with its bound and its goal.
pub(crate) struct Target {
    /// The figure's name.
    pub(crate) name: &'static str,
    /// The bound that it should keep.
    pub(crate) least: Bound,
    /// The goal, if it is stricter than the bound.
    pub(crate) aim: Option<Bound>,
}

/// The side on which a figure is bounded.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// Smaller is better.
    AtMost(f64),
    /// Larger is better.
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};

pub(crate) const TARGETS: [Target; 37] = [
    Target { name: "backfill_cpu_to_floor", least: AtMost(1.5), aim: Some(AtMost(1.2)) },
    Target { name: "backfill_resident_mib_peak", least: AtMost(350.0), aim: Some(AtMost(300.0)) },
    Target { name: "lookups_to_hyper", least: AtLeast(0.95), aim: Some(AtLeast(0.98)) },
    Target { name: "lookups_to_hyper_busy", least: AtLeast(0.93), aim: Some(AtLeast(0.97)) },
    Target { name: "lookups_to_hyper_keyed", least: AtLeast(0.9), aim: None },
    Target { name: "lookup_p99_ms_busy", least: AtMost(3.0), aim: Some(AtMost(1.5)) },
    Target { name: "freshness_over_echo_p50_ms", least: AtMost(0.5), aim: Some(AtMost(0.3)) },
    Target { name: "freshness_over_echo_p99_ms", least: AtMost(1.0), aim: Some(AtMost(0.5)) },
    Target { name: "archive_freshness_p99_ratio", least: AtMost(1.2), aim: None },
    Target { name: "bytes_per_pair", least: AtMost(40.0), aim: Some(AtMost(32.0)) },
    Target { name: "bytes_per_order_line", least: AtMost(130.0), aim: Some(AtMost(100.0)) },
    Target { name: "bytes_per_order_line_served", least: AtMost(240.0), aim: Some(AtMost(180.0)) },
    Target { name: "slide_second_ms", least: AtMost(5.0), aim: Some(AtMost(1.0)) },
    Target { name: "slide_day_ms", least: AtMost(30.0), aim: Some(AtMost(15.0)) },
    Target { name: "scale_2_workers", least: AtLeast(1.5), aim: Some(AtLeast(1.8)) },
    Target { name: "bot_to_ordinary", least: AtMost(5.0), aim: Some(AtMost(1.0)) },
    Target { name: "commit_to_http_p99_ms", least: AtMost(40.0), aim: Some(AtMost(15.0)) },
    Target { name: "restart_ready_s", least: AtMost(4.0), aim: Some(AtMost(2.0)) },
    Target { name: "restart_to_reading", least: AtMost(0.1), aim: None },
    Target { name: "checkpoint_p99_ratio", least: AtMost(2.0), aim: None },
    Target { name: "co_views_backfill_to_off", least: AtMost(4.5), aim: Some(AtMost(3.0)) },
    Target { name: "co_views_bytes_per_pair", least: AtMost(230.0), aim: Some(AtMost(180.0)) },
    Target { name: "co_views_live_5k_us", least: AtMost(20.0), aim: Some(AtMost(10.0)) },
    Target { name: "co_views_live_50k_us", least: AtMost(8.0), aim: Some(AtMost(5.0)) },
    Target { name: "co_views_bot_to_ordinary", least: AtMost(5.0), aim: Some(AtMost(2.0)) },
    Target { name: "for_you_p50_us", least: AtMost(50.0), aim: None },
    Target { name: "push_cpu_share", least: AtMost(0.1), aim: None },
    // Nothing is queued for a client that does not read.
    Target { name: "push_unread_rss_growth", least: AtMost(1.05), aim: None },
    Target { name: "features_cpu_to_histories", least: AtMost(1.6), aim: None },
    Target { name: "features_memory_to_histories", least: AtMost(1.6), aim: None },
    Target { name: "features_get_to_hyper", least: AtLeast(0.9), aim: None },
    Target { name: "features_post_to_hyper", least: AtLeast(0.9), aim: None },
    Target { name: "erasure_receipt_p99_ms", least: AtMost(100.0), aim: None },
    Target { name: "rule_over_tick_p99_ms", least: AtMost(10.0), aim: None },
    Target { name: "join_to_two_readings", least: AtMost(1.0), aim: None },
    // Memory should follow the number of rows; merging and the allocator may change it by a tenth.
    Target { name: "churn_rss_growth", least: AtMost(1.1), aim: None },
    Target { name: "years_rss_growth", least: AtMost(1.05), aim: None },
];

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AtMost(bound) => write!(f, "≤ {bound}"),
            AtLeast(bound) => write!(f, "≥ {bound}"),
        }
    }
}
