//! The newest answers, found by their ids and by their users.

use std::collections::HashMap;

use dataflow::ids::{ProductKey, UserKey};
use dataflow::source_status::{ReadEvent, Signal};
use dataflow::time::Millis;

use super::{Answered, LedTo};
use crate::source_name::SourceName;
use crate::variant::Variant;

/// Products of an answer that count: the first ones.
pub(super) const ROWS_MAX: usize = 20;

/// Answers with products that are looked at for an event of their user.
const BACK_MAX: usize = 64;

/// Bytes of an id that are remembered: all of an answer's own id.
const ID_BYTES: usize = 22;

/// A product of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownRow {
    /// The product.
    pub product: ProductKey,
    /// The source that recommended it.
    pub source: SourceName,
    /// The version of the model; 0 for a source without versions.
    pub model: u64,
}

type AnswerId = [u8; ID_BYTES];

/// An answer, and which of its products led to something.
pub(super) struct ShownAnswer {
    id: AnswerId,
    user: Option<UserKey>,
    variant: Variant,
    at: Millis,
    rows: Box<[ShownRow]>,
    /// A bit for each row.
    hits: u32,
    conversions: u32,
    /// The number of the user's answer before, if it was there.
    before: Option<u64>,
}

impl ShownAnswer {
    pub(super) fn new(answered: &Answered<'_>, at: Millis) -> Self {
        let rows = answered.rows.iter().take(ROWS_MAX).copied().collect();
        let (user, variant, id) = (answered.user, answered.variant, id(answered.id).unwrap_or_default());
        ShownAnswer { id, user, variant, at, rows, hits: 0, conversions: 0, before: None }
    }
}

/// The newest answers. An answer has a number; the place of a number is its remainder.
pub(super) struct ShownAnswers {
    max: usize,
    answers: Vec<ShownAnswer>,
    /// The number of the next answer.
    next: u64,
    by_id: HashMap<AnswerId, u64>,
    /// The newest answer of each user.
    by_user: HashMap<UserKey, u64>,
}

impl ShownAnswers {
    pub(super) fn new(max: usize) -> Self {
        ShownAnswers { max, answers: Vec::new(), next: 0, by_id: HashMap::new(), by_user: HashMap::new() }
    }

    /// Remembers an answer, and forgets the oldest if there are too many. An answer without products leads to nothing.
    pub(super) fn add(&mut self, mut answer: ShownAnswer) {
        if answer.rows.is_empty() {
            return;
        }
        let (number, place) = (self.next, self.place(self.next));
        self.next += 1;
        self.by_id.insert(answer.id, number);
        if let Some(user) = answer.user {
            answer.before = self.by_user.insert(user, number);
        }
        if self.answers.len() < self.max {
            self.answers.push(answer);
            return;
        }
        let oldest = std::mem::replace(&mut self.answers[place], answer);
        let gone = number - self.max as u64;
        if self.by_id.get(&oldest.id) == Some(&gone) {
            self.by_id.remove(&oldest.id);
        }
        if let Some(user) = oldest.user.filter(|user| self.by_user.get(user) == Some(&gone)) {
            self.by_user.remove(&user);
        }
    }

    /// Answers, ids and users that are held.
    #[cfg(test)]
    pub(super) fn size(&self) -> [usize; 3] {
        [self.answers.len(), self.by_id.len(), self.by_user.len()]
    }

    fn place(&self, number: u64) -> usize {
        usize::try_from(number % self.max as u64).expect("the bound is a usize")
    }

    fn holds(&self, number: u64) -> bool {
        number < self.next && self.next - number <= self.max as u64
    }

    /// The answer that led to an event on a product, at most `longest` before, if there is one.
    pub(super) fn led_to(&mut self, event: &ReadEvent<'_>, product: ProductKey, longest: Millis) -> Option<LedTo> {
        let named = event.answer.and_then(id).and_then(|id| self.by_id.get(&id).copied());
        // Nobody else saw the answer of a known user.
        let named = named.filter(|number| self.answers[self.place(*number)].user.is_none_or(|user| user == event.user));
        let found = named.and_then(|number| Some((number, self.row(number, product)?)));
        let (number, row) = found.or_else(|| self.newest_with(event, product, longest))?;
        let place = self.place(number);
        let answer = &mut self.answers[place];
        if !(answer.at..=answer.at.saturating_add(longest)).contains(&event.at) {
            return None;
        }
        let marks = match event.signal {
            Signal::Interest => &mut answer.hits,
            Signal::Purchase => &mut answer.conversions,
        };
        let (is_first, is_repeat) = (*marks == 0, *marks & (1 << row) != 0);
        *marks |= 1 << row;
        let ShownRow { source, model, .. } = answer.rows[row];
        let is_for_user = answer.user.is_some();
        Some(LedTo { variant: answer.variant, is_for_user, source, model, shown_at: answer.at, is_repeat, is_first })
    }

    /// Forgets whose answers a user's answers are. Their counts stay.
    pub(super) fn forget(&mut self, user: UserKey) {
        let mut next = self.by_user.remove(&user);
        while let Some(number) = next.filter(|number| self.holds(*number)) {
            let place = self.place(number);
            let answer = &mut self.answers[place];
            self.by_id.remove(&answer.id);
            (answer.user, next) = (None, answer.before.take());
            answer.rows = Box::default();
        }
    }

    fn row(&self, number: u64, product: ProductKey) -> Option<usize> {
        self.answers[self.place(number)].rows.iter().position(|row| row.product == product)
    }

    /// The user's newest answer with the product that was shown before the event.
    fn newest_with(&self, event: &ReadEvent<'_>, product: ProductKey, longest: Millis) -> Option<(u64, usize)> {
        let mut next = self.by_user.get(&event.user).copied();
        for _ in 0..BACK_MAX {
            let number = next.filter(|number| self.holds(*number))?;
            let answer = &self.answers[self.place(number)];
            if event.at > answer.at.saturating_add(longest) {
                return None;
            }
            if answer.at <= event.at
                && let Some(row) = self.row(number, product)
            {
                return Some((number, row));
            }
            next = answer.before;
        }
        None
    }
}

/// The id as it is remembered; none for a text that is no id of an answer.
fn id(text: &str) -> Option<AnswerId> {
    text.as_bytes().try_into().ok()
}
