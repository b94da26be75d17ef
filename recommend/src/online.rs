//! What became of the recommendations that were shown: hits and conversions by source and variant, the comparison of the
//! variants, and how far rates and interests have moved.
//!
//! ```text
//! answers ─▶ ShownAnswers: the newest N ─┐
//! events ──▶ whose answer was it? ───────┴▶ Counts by variant, source, model ─▶ metrics, status
//!        └─▶ shares of products, categories, devices by day ─▶ stability
//! ```
//! A hit is a view, a click or a product put into the cart within `online.hit_max_s` after an answer with the product; a
//! conversion is a purchase event within `online.conversion_max_s`. The event names the answer (`answer_id`), or else it
//! belongs to the user's newest answer with the product. Each product of an answer counts once. Memory is bounded, and lost at
//! the end of the process.

mod counts;
mod drift;
mod settings;
mod shown;
mod status;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataflow::ids::{ProductKey, UserKey};
use dataflow::source_status::{EventObserver, ReadEvent, Signal};
use dataflow::time::{Millis, ServiceClock};
use models::evaluation::ab_test::{AbTest, Comparison, Variant as Rates};

use crate::source_name::SourceName;
use crate::variant::Variant;

use self::counts::{Counts, Hours};
use self::drift::Interests;
use self::shown::{ShownAnswer, ShownAnswers};

pub use self::counts::SourceCounts;
pub use self::settings::OnlineSettings;
pub use self::shown::ShownRow;
pub use self::status::{OnlineStatus, Stability, TestStatus, VariantStatus};

/// The probability with which the test of the variants may see a difference where there is none.
const ALPHA: f64 = 0.05;

/// Time between two computations of the stability, which goes through the products of two weeks.
const STABILITY_MS: Millis = 10 * 60 * 1000;

/// Counts what becomes of recommendations. Shared by the threads that answer and the threads that read events.
pub struct Online {
    settings: OnlineSettings,
    clock: Arc<dyn ServiceClock>,
    counting: Mutex<Counting>,
}

struct Counting {
    shown: ShownAnswers,
    counts: Counts,
    hours: Hours,
    interests: Interests,
    stability: Option<(Millis, Stability)>,
    test: AbTest,
    compared: Option<Comparison>,
}

/// An answer that is shown.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// Its id.
    pub id: &'a str,
    /// The user, if known.
    pub user: Option<UserKey>,
    /// The variant of the test that the user is in.
    pub variant: Variant,
    /// Its products, best first.
    pub rows: &'a [ShownRow],
}

impl Online {
    /// Nothing was shown yet.
    #[must_use]
    pub fn new(settings: OnlineSettings, clock: Arc<dyn ServiceClock>) -> Online {
        let counting = Counting {
            shown: ShownAnswers::new(settings.answers_max),
            counts: Counts::default(),
            hours: Hours::default(),
            interests: Interests::default(),
            stability: None,
            test: AbTest::new(ALPHA),
            compared: None,
        };
        Online { settings, clock, counting: Mutex::new(counting) }
    }

    /// An answer is shown.
    pub fn shown(&self, answered: &Answered<'_>) {
        let at = self.clock.now();
        let mut counting = self.counting();
        counting.counts.shown(answered.variant, answered.rows);
        counting.hours.shown(at);
        counting.shown.add(ShownAnswer::new(answered, at));
    }

    /// The counts and measures of this moment; the stability is at most ten minutes old. `category` names the category of a product, as a number.
    pub fn status(&self, category: impl Fn(ProductKey) -> Option<u64>) -> OnlineStatus {
        let now = self.clock.now();
        let mut counting = self.counting();
        let Counting { counts, test, compared, hours, interests, stability, .. } = &mut *counting;
        let rates = |variant| {
            let counted = counts.of_variant(variant);
            Rates { asks: counted.answers, hits: counted.answers_hit }
        };
        let found = test.look(rates(Variant::A), rates(Variant::B));
        *compared = found.or(*compared);
        let test = compared.map(|found| TestStatus::new(found, test.is_decided()));
        let rates = hours.rates(now, self.settings.hit_max_ms());
        let is_due = |(at, _): &(Millis, Stability)| now >= at + STABILITY_MS;
        if stability.as_ref().is_none_or(is_due) {
            *stability = Some((now, interests.stability(now, category)));
        }
        OnlineStatus::new(counts, test, rates, stability.map(|(_, found)| found).unwrap_or_default())
    }

    fn counting(&self) -> MutexGuard<'_, Counting> {
        self.counting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest time between an answer and what it led to.
    fn longest(&self, signal: Signal) -> Millis {
        match signal {
            Signal::Interest => self.settings.hit_max_ms(),
            Signal::Purchase => self.settings.conversion_max_ms(),
        }
    }
}

impl EventObserver for Online {
    fn read(&self, event: &ReadEvent<'_>) {
        let longest = self.longest(event.signal);
        let mut counting = self.counting();
        let Counting { shown, counts, hours, interests, .. } = &mut *counting;
        for product in event.products {
            if event.signal == Signal::Interest {
                interests.saw(*product, event.device, event.at);
            }
            let Some(found) = shown.led_to(event, *product, longest) else { continue };
            counts.led_to(event.signal, &found);
            if event.signal == Signal::Interest && found.is_first {
                hours.hit(found.shown_at);
            }
        }
    }

    fn erased(&self, user: UserKey) {
        self.counting().shown.forget(user);
    }
}

/// A product of an answer that led to something for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LedTo {
    variant: Variant,
    source: SourceName,
    model: u64,
    shown_at: Millis,
    /// Whether no other product of the answer led to the same before.
    is_first: bool,
}

#[cfg(test)]
mod tests;
