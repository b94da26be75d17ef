//! The settings of features.

use std::time::Duration;

use settings::{Kind, Value, seconds, whole};

use super::DAY_MS;
use super::key_names::{KeyNames, NAMES};
use crate::time::{Millis, Time};

/// A day in UTC, as its number since the Unix epoch.
pub type Day = u64;

/// The day of a time.
#[must_use]
pub fn day_of(at: Millis) -> Day {
    at / DAY_MS
}

settings::section! {
    /// Features of users: what each user did with each product and each category, for models that are served.
    /// docs/data-dictionary.md defines them.
    #[derive(Copy)]
    pub struct Features in "features" {
        /// Whether features are kept. While this is off it costs nothing.
        enabled: bool = "off", "word", Kind::Choice(&["off", "on"]) => |word: &Value| word.text() == "on";
        /// How long the features of a user and a product outlast their latest event: so many whole days in UTC after its
        /// day. Then they are dropped whole, and their memory is taken back; later events count anew. The counts of a user
        /// and a key of `metadata` are dropped likewise. An event that is older when it is read counts in no feature.
        /// Orders and purchase events are kept so long from their own time on, but not shorter than `rules.window_days`, while
        /// features or `models.buy_again` are on. 0: for ever.
        days: Day = 365, "days", whole(0, 3650);
        /// Keys of an event's `metadata` whose values are counted for each user, such as ["device", "referrer"]: the
        /// feature `user_metadata`. An event counts under a key while the setting names it.
        metadata: KeyNames = [], "keys", NAMES;
        /// The most values of a user and a key of `metadata` that are shown. Events with other values count as `other`.
        values_max: usize = 20, "values", whole(1, 100);
        /// Attributes of products by whose values views are counted for each user, such as ["colour", "brand"]: the feature
        /// `user_attribute_views`. They are read from the column that `models.content.attributes_column` names, or from the
        /// field `attributes` of the store.
        attributes: KeyNames = [], "attributes", NAMES;
        /// Time between two readings of the attributes of all products. Files and the store are only read if they have
        /// changed.
        attributes_every as "attributes_every_s": Duration = 60, "s", whole(1, 31_536_000) => seconds;
    }
}

impl Features {
    /// Features are not kept.
    pub const OFF: Features = Features {
        enabled: false,
        days: 0,
        metadata: KeyNames::NONE,
        values_max: 20,
        attributes: KeyNames::NONE,
        attributes_every: Duration::from_secs(60),
    };

    /// Whether features are kept and dropped.
    #[must_use]
    pub fn are_dropped(&self) -> bool {
        self.enabled && self.days > 0
    }

    /// Whether features whose latest event was at `at` are still there at `now`. An event that is read when they would not be
    /// counts nowhere.
    #[must_use]
    pub fn last_until(&self, at: Millis, now: Time) -> bool {
        self.days == 0 || day_of(at).saturating_add(self.days) >= day_of(now)
    }

    /// Whether a gap from a view at `at` counts if the view does: its end must come while the features of the view are there.
    #[must_use]
    pub fn has_gap(&self, at: Millis, ms: Millis) -> bool {
        self.last_until(at, at.saturating_add(ms))
    }

    /// The beginning of the day after that of a tick. A replay opens a tick there if features are dropped, so that each event is
    /// given on its day, as it was on that day.
    #[must_use]
    pub fn next_day(&self, tick: Time) -> Option<Time> {
        self.are_dropped().then(|| (day_of(tick) + 1) * DAY_MS)
    }
}
