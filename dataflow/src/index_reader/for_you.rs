//! "For you": the products that users with similar histories viewed, scored when they are asked for.
//!
//! ```text
//! score(b) = (Σ over the newest products a of the history ((place weight · C(a,b) · r½(n(a))) ≫ 16)) · r(n(b)) ≫ 16
//! ```
//! C(a,b) is the weight of b among the similar products of a, n(a) the number of users in whose histories a is, r½(n) is
//! ⌊√(2⁴⁰/n)⌋. The place weight and r follow from the weighting: for "clicks" ⌊65536/(j+1)⌋ at place j and
//! ⌊√⌊√(2⁶⁴/n)⌋⌋; for "films" ⌊65536·2^(-j/3)⌋ and n^(-3/8). Products of the history are left out, and so are products
//! whose score is 0; ties by key. All of this is arithmetic on integers over rows that the caller reads.
//!
//! ```text
//! newest products ─▶ their similar products ─▶ sum of each candidate ─▶ bound of its score ─▶ score, if the bound may be among
//!                    (the heaviest K)                                   (fewest viewers)      the best ─▶ the best, with reasons
//! ```

mod candidates;
#[cfg(test)]
mod tests;
mod viewers;
mod weights;

use std::cmp::Reverse;

use self::candidates::Candidates;
use self::viewers::KnownViewers;
use self::weights::{CandidateRoots, own_root, place_weights};
use crate::ids::ProductKey;
use crate::ops::heaviest_rows::keep_heaviest;
use crate::rules::CoViews;
use crate::time::Time;

/// The largest weight that one user can add to C(a,b): of two products next to each other.
pub const WEIGHT_OF_USER_MAX: u64 = 64;

/// How many candidates are looked at first.
const FIRST_LOOK: usize = 32;

/// The rows from which recommendations are made.
pub trait CoViewRows {
    /// Reads the similar products of a product and their weights into `rows` (cleared first), ordered by product. More rows
    /// than the rules say may be read; the heaviest count.
    fn similar(&self, product: ProductKey, rows: &mut Vec<(ProductKey, i32)>);

    /// The number of users in whose histories a product is.
    fn viewers(&self, product: ProductKey) -> u64;

    /// A number that is equal for two states only if every product has the same number of viewers in both. `None` if there is no
    /// such number.
    fn viewers_version(&self) -> Option<Time> {
        None
    }
}

/// What recommendations are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The products viewed, newest first, each once. All of them are left out.
    pub history: &'a [ProductKey],
    /// More products to leave out.
    pub exclude: &'a [ProductKey],
    /// The number of products wanted.
    pub size: usize,
}

/// One recommended product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scored {
    /// The product.
    pub product: ProductKey,
    /// Its score; never 0.
    pub score: u64,
    /// The products of the history that it is similar to, newest first.
    pub because: Vec<Because>,
}

/// A product of the history to which a recommended product is similar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Because {
    /// The product viewed.
    pub product: ProductKey,
    /// Its place in the history, from 0.
    pub place: usize,
    /// C of both products.
    pub weight: i32,
}

/// A row that was read: a candidate beside a product of the history.
struct Term {
    place: u32,
    weight: i32,
    /// The number of the candidate's term before this one, from 1; 0 if there is none.
    previous: u32,
}

/// The most that the score of a candidate can be, and the candidate's number.
type Bound = (Reverse<u64>, u32);

/// The place of a candidate in the ranking: its score, its product, and its number.
type Rank = (Reverse<u64>, ProductKey, u32);

/// Ranks candidates, one ranking after another, from the rows of one reader. It keeps its memory; a thread that ranks often
/// keeps one.
pub struct Scorer {
    similar: usize,
    place_weights: Vec<u64>,
    roots: CandidateRoots,
    row: Vec<(ProductKey, i32)>,
    weights: Vec<i32>,
    viewers: KnownViewers,
    terms: Vec<Term>,
    candidates: Candidates,
    bounds: Vec<Bound>,
    history: Vec<ProductKey>,
}

impl Scorer {
    /// A scorer by these rules.
    #[must_use]
    pub fn new(rules: &CoViews) -> Self {
        Scorer {
            similar: rules.similar,
            place_weights: place_weights(rules.weighting, rules.newest),
            roots: CandidateRoots::of(rules.weighting),
            row: Vec::new(),
            weights: Vec::new(),
            viewers: KnownViewers::default(),
            terms: Vec::new(),
            candidates: Candidates::default(),
            bounds: Vec::new(),
            history: Vec::new(),
        }
    }

    /// The best products after the views of `asked`, best first. `admits` is asked about a product that would be among
    /// them, and may refuse it.
    pub fn rank(
        &mut self,
        rows: &impl CoViewRows,
        asked: &Asked<'_>,
        admits: impl FnMut(ProductKey) -> bool,
    ) -> Vec<Scored> {
        self.viewers.begin(rows);
        self.add_up(rows, asked);
        let best = self.best(rows, asked.size, admits);
        best.iter().map(|row| self.explained(row, asked.history)).collect()
    }

    /// Gives how relevant a similar product with a weight and a number of viewers is, to compare it with others.
    pub fn relevance(&self) -> impl Fn(u64, u64) -> u64 + Copy + use<> {
        let roots = self.roots;
        move |weight, viewers| weight * roots.of_viewers(viewers)
    }

    /// Gives the number of a product's viewers in the state of `rows`, from memory if it was looked up before.
    pub fn viewers<'a>(&'a mut self, rows: &'a impl CoViewRows) -> impl FnMut(ProductKey) -> u64 {
        self.viewers.begin(rows);
        |product| self.viewers.of(rows, product)
    }

    /// A buffer for a history.
    pub(super) fn take_history(&mut self) -> Vec<ProductKey> {
        std::mem::take(&mut self.history)
    }

    /// Takes the buffer back.
    pub(super) fn keep_history(&mut self, history: Vec<ProductKey>) {
        self.history = history;
    }

    /// Reads the similar products of the newest products viewed, and adds up the terms of each candidate.
    fn add_up(&mut self, rows: &impl CoViewRows, asked: &Asked<'_>) {
        let newest = asked.history.len().min(self.place_weights.len());
        self.candidates.clear(asked.history.len() + asked.exclude.len() + newest * self.similar);
        self.terms.clear();
        for product in asked.history.iter().chain(asked.exclude) {
            self.candidates.of(*product).left_out = true;
        }
        for (place, (viewed, place_weight)) in (0..).zip(asked.history.iter().zip(&self.place_weights)) {
            rows.similar(*viewed, &mut self.row);
            if self.row.is_empty() {
                continue;
            }
            keep_heaviest(&mut self.row, self.similar, &mut self.weights);
            let factor = u128::from(place_weight * own_root(self.viewers.of(rows, *viewed)));
            for &(product, weight) in &self.row {
                let candidate = self.candidates.of(product);
                if candidate.left_out {
                    continue;
                }
                let term = (factor * u128::from(weight.unsigned_abs())) >> 16;
                candidate.sum += u64::try_from(term).expect("a term has at most 51 bits");
                candidate.weight_max = candidate.weight_max.max(weight);
                self.terms.push(Term { place, weight, previous: candidate.last_term });
                candidate.last_term = u32::try_from(self.terms.len()).expect("terms are few");
            }
        }
    }

    /// The best candidates, best first.
    ///
    /// A candidate has at least as many viewers as users that its largest weight needs, and its score falls with its
    /// number of viewers. So the number is looked up only of candidates that may be among the best: first of those with the
    /// largest bounds, and then of those whose bounds reach the last of the best so far.
    fn best(&mut self, rows: &impl CoViewRows, size: usize, mut admits: impl FnMut(ProductKey) -> bool) -> Vec<Rank> {
        let Scorer { roots, candidates, bounds, viewers, .. } = self;
        let all = candidates.all();
        let score = |sum: u64, viewers: u64| {
            let score = (u128::from(sum) * u128::from(roots.of_viewers(viewers))) >> 16;
            u64::try_from(score).expect("a root is at most 2^16")
        };
        bounds.clear();
        bounds.extend((0..).zip(all).filter(|(_, candidate)| !candidate.left_out).map(|(number, candidate)| {
            let viewers_min = u64::from(candidate.weight_max.unsigned_abs()).div_ceil(WEIGHT_OF_USER_MAX);
            (Reverse(score(candidate.sum, viewers_min)), number)
        }));
        let mut best: Vec<Rank> = Vec::with_capacity(size.min(bounds.len()) + 1);
        let mut look = |bounds: &mut [Bound], best: &mut Vec<Rank>| {
            bounds.sort_unstable();
            for &(Reverse(bound), number) in bounds.iter() {
                let last = best.get(size - 1).copied();
                if bound == 0 || last.is_some_and(|(Reverse(least), ..)| bound < least) {
                    return;
                }
                let candidate = &all[number as usize];
                let score = score(candidate.sum, viewers.of(rows, candidate.product));
                let row = (Reverse(score), candidate.product, number);
                if score > 0 && last.is_none_or(|last| row < last) && admits(candidate.product) {
                    let place = best.partition_point(|better| *better < row);
                    best.insert(place, row);
                    best.truncate(size);
                }
            }
        };
        if size == 0 {
            return best;
        }
        let first = FIRST_LOOK.min(bounds.len());
        if first < bounds.len() {
            bounds.select_nth_unstable(first);
        }
        let (now, later) = bounds.split_at_mut(first);
        look(now, &mut best);
        let least = best.get(size - 1).map_or(0, |(Reverse(least), ..)| *least);
        let rest = move_to_front(later, |(Reverse(bound), _)| *bound >= least);
        look(rest, &mut best);
        best
    }

    /// A result with its reasons.
    fn explained(&self, &(Reverse(score), product, number): &Rank, history: &[ProductKey]) -> Scored {
        let mut because = Vec::new();
        let mut next = self.candidates.all()[number as usize].last_term;
        while let Some(term) = next.checked_sub(1) {
            let Term { place, weight, previous } = self.terms[term as usize];
            because.push(Because { product: history[place as usize], place: place as usize, weight });
            next = previous;
        }
        because.reverse();
        Scored { product, score, because }
    }
}

/// Moves the elements that `is` is true of to the front, in any order, and returns them.
fn move_to_front<T>(all: &mut [T], is: impl Fn(&T) -> bool) -> &mut [T] {
    let mut kept = 0;
    for at in 0..all.len() {
        if is(&all[at]) {
            all.swap(kept, at);
            kept += 1;
        }
    }
    &mut all[..kept]
}
