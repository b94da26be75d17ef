//! `[online]`: whether and how long it is counted what becomes of recommendations.

use std::time::Duration;

use dataflow::time::Millis;
use settings::{Kind, Value, seconds, whole};

settings::section! {
    /// Counts of what became of the recommendations that were shown: hits and conversions. docs/models.md explains them.
    pub struct OnlineSettings in "online" {
        /// Whether hits and conversions are counted. While this is off it costs nothing.
        enabled: bool = "off", "word", Kind::Choice(&["off", "on"]) => |word: &Value| word.text() == "on";
        /// Number of newest answers that are remembered, about 500 bytes each.
        answers_max: usize = 100_000, "answers", whole(1, 10_000_000);
        /// Longest time from an answer to a view, click or cart of one of its products that counts as a hit.
        hit_max as "hit_max_s": Duration = 1800, "s", whole(1, 604_800) => seconds;
        /// Longest time from an answer to a purchase of one of its products that counts as a conversion.
        conversion_max as "conversion_max_s": Duration = 86_400, "s", whole(1, 2_592_000) => seconds;
    }
}

impl OnlineSettings {
    pub(super) fn hit_max_ms(&self) -> Millis {
        millis(self.hit_max)
    }

    pub(super) fn conversion_max_ms(&self) -> Millis {
        millis(self.conversion_max)
    }
}

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}
