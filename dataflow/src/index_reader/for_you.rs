//! "For you": the products that users with similar histories viewed, scored when they are asked for.
//!
//! ```text
//! score(b) = (Σ over the newest products a of the history ((place weight · C(a,b) · r½(n(a))) ≫ 16)) · r(n(b)) ≫ 16
//! ```
//! C(a,b) is the weight of b among the similar products of a, n(a) the number of users in whose histories a is, r½(n) is
//! ⌊√(2⁴⁰/n)⌋. The place weight and r follow from the weighting: for "clicks" ⌊65536/(j+1)⌋ at place j and
//! ⌊√⌊√(2⁶⁴/n)⌋⌋; for "films" ⌊65536·2^(-j/3)⌋ and n^(-3/8). Products of the history are left out, and so are products
//! whose score is 0; ties by key. All of this is arithmetic on integers over rows that the caller reads.

mod candidates;
mod weights;

use std::cmp::Reverse;

use self::candidates::Candidates;
use self::weights::{CandidateRoots, own_root, place_weights};
use crate::ids::ProductKey;
use crate::rules::CoViews;

/// The largest weight that one user can add to C(a,b): of two products next to each other.
pub const WEIGHT_OF_USER_MAX: u64 = 64;

/// How many candidates are looked at first.
const FIRST_LOOK: usize = 32;

/// The rows from which recommendations are made.
pub trait CoViewRows {
    /// Reads the similar products of a product and their weights into `rows` (cleared first). More rows than the rules
    /// say may be read; the heaviest count.
    fn similar(&self, product: ProductKey, rows: &mut Vec<(ProductKey, i32)>);

    /// The number of users in whose histories a product is.
    fn viewers(&self, product: ProductKey) -> u64;
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
    candidate: u32,
    place: u32,
    weight: i32,
}

/// Ranks candidates, one ranking after another. It keeps its memory; a thread that ranks often keeps one.
pub struct Scorer {
    similar: usize,
    place_weights: Vec<u64>,
    roots: CandidateRoots,
    row: Vec<(ProductKey, i32)>,
    terms: Vec<Term>,
    candidates: Candidates,
    bounds: Vec<(Reverse<u64>, u32)>,
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
        self.add_up(rows, asked);
        let best = self.best(rows, asked.size, admits);
        self.explained(&best, asked.history)
    }

    /// How relevant a similar product with this weight and number of viewers is, to compare it with others.
    #[must_use]
    pub fn relevance(&self, weight: u64, viewers: u64) -> u64 {
        weight * self.roots.of_viewers(viewers)
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
            let number = self.candidates.number(*product);
            self.candidates.get_mut(number).left_out = true;
        }
        for (place, (viewed, place_weight)) in (0..).zip(asked.history.iter().zip(&self.place_weights)) {
            rows.similar(*viewed, &mut self.row);
            if self.row.len() > self.similar {
                self.row.select_nth_unstable_by_key(self.similar - 1, |(product, weight)| (Reverse(*weight), *product));
                self.row.truncate(self.similar);
            }
            if self.row.is_empty() {
                continue;
            }
            let factor = u128::from(place_weight * own_root(rows.viewers(*viewed)));
            for &(product, weight) in &self.row {
                let number = self.candidates.number(product);
                let candidate = self.candidates.get_mut(number);
                if candidate.left_out {
                    continue;
                }
                let term = (factor * u128::from(weight.unsigned_abs())) >> 16;
                candidate.sum += u64::try_from(term).expect("a term has at most 51 bits");
                candidate.weight_max = candidate.weight_max.max(weight);
                let number = u32::try_from(number).expect("candidates are few");
                self.terms.push(Term { candidate: number, place, weight });
            }
        }
    }

    /// The best candidates: score, product, and the candidate's number.
    ///
    /// A candidate has at least as many viewers as users that its largest weight needs, and its score falls with its
    /// number of viewers. So the number is looked up only of candidates that may be among the best.
    fn best(
        &mut self,
        rows: &impl CoViewRows,
        size: usize,
        mut admits: impl FnMut(ProductKey) -> bool,
    ) -> Vec<(Reverse<u64>, ProductKey, u32)> {
        let (roots, all) = (self.roots, self.candidates.all());
        let score = |sum: u64, viewers: u64| {
            let score = (u128::from(sum) * u128::from(roots.of_viewers(viewers))) >> 16;
            u64::try_from(score).expect("a root is at most 2^16")
        };
        self.bounds.clear();
        self.bounds.extend((0..).zip(all).filter(|(_, candidate)| !candidate.left_out).map(|(number, candidate)| {
            let viewers_min = u64::from(candidate.weight_max.unsigned_abs()).div_ceil(WEIGHT_OF_USER_MAX);
            (Reverse(score(candidate.sum, viewers_min)), number)
        }));
        let mut best: Vec<(Reverse<u64>, ProductKey, u32)> = Vec::with_capacity(size + 1);
        let (mut rest, mut look) = (&mut self.bounds[..], FIRST_LOOK);
        while !rest.is_empty() && size > 0 {
            if look < rest.len() {
                rest.select_nth_unstable(look);
            }
            let (now, later) = rest.split_at_mut(look.min(rest.len()));
            now.sort_unstable();
            for &(Reverse(bound), number) in now.iter() {
                let last = best.get(size - 1);
                if bound == 0 || last.is_some_and(|(Reverse(least), ..)| bound < *least) {
                    return best;
                }
                let candidate = &all[number as usize];
                let score = score(candidate.sum, rows.viewers(candidate.product));
                let row = (Reverse(score), candidate.product, number);
                if score > 0 && last.is_none_or(|last| row < *last) && admits(candidate.product) {
                    let place = best.partition_point(|better| *better < row);
                    best.insert(place, row);
                    best.truncate(size);
                }
            }
            (rest, look) = (later, 2 * look);
        }
        best
    }

    /// The results with their reasons.
    fn explained(&mut self, best: &[(Reverse<u64>, ProductKey, u32)], history: &[ProductKey]) -> Vec<Scored> {
        let mut scored = Vec::with_capacity(best.len());
        for (rank, &(Reverse(score), product, number)) in (1..).zip(best) {
            self.candidates.get_mut(number as usize).rank = rank;
            scored.push(Scored { product, score, because: Vec::new() });
        }
        let all = self.candidates.all();
        for &Term { candidate, place, weight } in &self.terms {
            if let Some(result) = (all[candidate as usize].rank as usize).checked_sub(1) {
                let place = place as usize;
                scored[result].because.push(Because { product: history[place], place, weight });
            }
        }
        scored
    }
}
