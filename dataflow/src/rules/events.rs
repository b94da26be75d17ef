//! The settings of events.

use settings::{FromValue as _, whole};

use crate::time::Millis;

settings::section! {
    /// How events are told apart. docs/events.md explains it.
    #[derive(Copy)]
    pub struct EventRules in "events" {
        /// How long after an event its repeats are recognised, by the times of the records; they count nowhere. While
        /// features are on or purchase events count, each event is kept so long, in about 70 bytes. 0: events are not
        /// told apart, and repeats count.
        dedup_ms as "dedup_s": Millis = 600, "s", whole(0, 86_400) => |seconds| u64::from_value(seconds) * 1000;
    }
}

impl EventRules {
    /// Repeats count.
    pub const OFF: EventRules = EventRules { dedup_ms: 0 };
}
