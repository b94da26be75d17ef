//! What became of the recommendations that were shown: hits and conversions by source and variant, the comparison of the
//! variants, and how far rates and interests have moved.
//!
//! ```text
//! answers ─▶ ShownAnswers: the newest N ─┐
//! events ──▶ whose answer was it? ───────┼▶ Counts by variant, source, model ─▶ metrics, status
//! │  orders ─▶ whose answer was it? ─────┘
//! └─▶ shares of products, categories, devices by day ─▶ stability
//! ```
//! A hit is a view, a click or a product put into the cart within `online.hit_max_s` after an answer with the product; a
//! conversion is a purchase within `online.conversion_max_s`: a purchase event, or an order of the tables that counts. The event
//! names the answer (`answer_id`), or else it belongs to the user's newest answer with the product, as an order does. Each product
//! of an answer counts once, and so does each product of an order. Memory is bounded, and lost at the end of the process.

mod bought;
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

use self::bought::Bought;
use self::counts::{Counts, Hours};
use self::drift::Interests;
use self::shown::{ROWS_MAX, ShownAnswer, ShownAnswers};

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
    /// The last stability, and when it was computed. Locked while it is computed, and before `counting`: answers and events
    /// do not wait for it.
    stability: Mutex<Option<(Millis, Stability)>>,
}

struct Counting {
    shown: ShownAnswers,
    bought: Bought,
    counts: Counts,
    hours: Hours,
    interests: Interests,
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
            bought: Bought::new(settings.answers_max),
            counts: Counts::default(),
            hours: Hours::default(),
            interests: Interests::default(),
            test: AbTest::new(ALPHA),
            compared: None,
        };
        Online { settings, clock, counting: Mutex::new(counting), stability: Mutex::new(None) }
    }

    /// An answer is shown.
    pub fn shown(&self, answered: &Answered<'_>) {
        let at = self.clock.now();
        let mut counting = self.counting();
        let rows = &answered.rows[..answered.rows.len().min(ROWS_MAX)];
        counting.counts.shown(answered.variant, answered.user.is_some(), rows);
        counting.hours.shown(at);
        counting.shown.add(ShownAnswer::new(answered, at));
    }

    /// The counts and measures of this moment; the stability is at most ten minutes old. `category` names the category of a
    /// product, as a number.
    pub fn status(&self, category: impl Fn(ProductKey) -> Option<u64>) -> OnlineStatus {
        let now = self.clock.now();
        let stability = self.stability(now, category);
        let mut counting = self.counting();
        let Counting { counts, test, compared, hours, .. } = &mut *counting;
        let rates = |variant| {
            let counted = counts.of_users(variant);
            Rates { asks: counted.answers, hits: counted.answers_hit }
        };
        let found = test.look(rates(Variant::A), rates(Variant::B));
        *compared = found.or(*compared);
        let test = compared.map(|found| TestStatus::new(found, test.is_decided()));
        let rates = hours.rates(now, self.settings.hit_max_ms());
        OnlineStatus::new(counts, test, rates, stability)
    }

    /// The stability, computed again if it is due.
    fn stability(&self, now: Millis, category: impl Fn(ProductKey) -> Option<u64>) -> Stability {
        let mut last = self.stability.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, stability)) if now < at + STABILITY_MS => stability,
            _ => {
                let interests = self.counting().interests.clone();
                let stability = interests.stability(now, category);
                *last = Some((now, stability));
                stability
            }
        }
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
        let Counting { shown, bought, counts, hours, interests, .. } = &mut *counting;
        for product in event.products {
            if event.signal == Signal::Interest {
                interests.saw(*product, event.device, event.at);
            }
            let purchase = event.order.map(|order| (order.id_half(), *product));
            if purchase.is_some_and(|purchase| bought.has(purchase)) {
                continue;
            }
            let Some(found) = shown.led_to(event, *product, longest) else { continue };
            if let Some(purchase) = purchase {
                bought.add(purchase);
            }
            if found.is_repeat {
                continue;
            }
            counts.led_to(event.signal, &found);
            if event.signal == Signal::Interest && found.is_first {
                hours.hit(found.shown_at);
            }
        }
    }

    fn sees_orders(&self) -> bool {
        true
    }

    fn ordered(&self, line: &ReadEvent<'_>) {
        self.read(line);
    }

    fn erased(&self, user: UserKey) {
        self.counting().shown.forget(user);
    }
}

/// A product of an answer that led to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LedTo {
    variant: Variant,
    /// Whether the answer was for a user.
    is_for_user: bool,
    source: SourceName,
    model: u64,
    shown_at: Millis,
    /// Whether it led to the same before.
    is_repeat: bool,
    /// Whether no other product of the answer led to the same before.
    is_first: bool,
}

#[cfg(test)]
mod tests;
