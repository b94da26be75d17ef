//! A training that measures itself: the newest product of some users is held back, and must then be found.

use std::collections::BTreeMap;

use super::{Als, Error, Parameters, WeightsBuilder, recency_weights, train};
use crate::evaluation::{ranking, sampled};
use crate::random;

/// Limit of the users whose newest product is held back.
const USERS_MAX: usize = 2000;

/// The newest product of one in this many users is held back.
const SHARE: u64 = 20;

/// The least length of a history whose newest product is held back.
const LENGTH_MIN: usize = 2;

/// Negatives for each positive product, of which AUC and precision tell.
const NEGATIVES: usize = 100;

/// The length up to which lists are measured.
const K: usize = 10;

/// What a model is trained on: each user's products, newest first, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histories {
    /// The number of products; all numbers in the histories are below it.
    pub products: usize,
    /// One history a user.
    pub users: Vec<Vec<u32>>,
}

/// A model and how good it is.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model.
    pub als: Als,
    /// Pairs of user and product it was trained on.
    pub pairs: usize,
    /// Measures on the products that were held back, by name; empty if there were none.
    pub metrics: BTreeMap<String, f64>,
}

/// Trains on the histories without the products that are held back, and measures how well these are found by folding in the
/// rest of their users' histories: `newest` products, with weights that halve every `half_life` places. Every pair counts the
/// same in the training.
///
/// # Errors
/// See [`train`].
pub fn train_and_measure(
    histories: &Histories,
    parameters: &Parameters,
    (newest, half_life): (usize, u32),
    go_on: impl FnMut(u32) -> bool,
) -> Result<Trained, Error> {
    let held_back = held_back(histories, parameters.seed);
    let mut builder = WeightsBuilder::new(histories.products);
    let mut next = held_back.iter().peekable();
    let mut row = Vec::new();
    for (user, history) in histories.users.iter().enumerate() {
        let from = usize::from(next.next_if(|held| **held == user).is_some());
        row.clear();
        row.extend(history[from..].iter().map(|product| (*product, 1.0)));
        builder.user(&mut row);
    }
    let weights = builder.build();
    let als = train(&weights, parameters, go_on)?;
    let recency = recency_weights(newest, half_life as f32);
    let metrics =
        measure(&als, held_back.iter().map(|user| histories.users[*user].as_slice()), &recency, parameters.seed);
    Ok(Trained { als, pairs: weights.pairs(), metrics })
}

/// The users whose newest product is held back, in rising order.
fn held_back(histories: &Histories, seed: u64) -> Vec<usize> {
    let long = histories.users.iter().enumerate().filter(|(_, history)| history.len() >= LENGTH_MIN);
    let drawn = long.filter(|(user, _)| random::below(seed ^ 1, *user as u64, SHARE) == 0);
    let mut users: Vec<usize> = drawn.map(|(user, _)| user).collect();
    // Of more than enough users those with the least numbers of another drawing, so that none is preferred for its place.
    users.sort_by_key(|user| random::number(seed ^ 2, *user as u64));
    users.truncate(USERS_MAX);
    users.sort_unstable();
    users
}

fn measure<'a>(
    als: &Als,
    histories: impl Iterator<Item = &'a [u32]>,
    recency: &[f32],
    seed: u64,
) -> BTreeMap<String, f64> {
    let (mut sums, mut asks, mut compared) = ([0.0; 5], 0_u32, 0_u32);
    for (ask, history) in histories.enumerate() {
        let (wanted, known) = (history[0], &history[1..]);
        asks += 1;
        let folded: Vec<(u32, f32)> = known.iter().copied().zip(recency.iter().copied()).collect();
        let Some(factors) = als.fold_in(&folded) else { continue };
        let list: Vec<u32> =
            als.best(&factors, K, |row| known.contains(&row)).into_iter().map(|scored| scored.row).collect();
        sums[0] += ranking::recall(&list, &[wanted], K);
        sums[1] += ranking::ndcg(&list, &[wanted], K);
        sums[2] += ranking::reciprocal_rank(&list, &[wanted], K);
        let score = |row: u32| als.score(row, &factors).into();
        let rows = als.products().rows() as u32;
        let negatives = sampled::negatives(NEGATIVES, rows, seed ^ (3 + ask as u64), |row| history.contains(&row));
        let negatives: Vec<f64> = negatives.into_iter().map(score).collect();
        if let Some(auc) = sampled::auc(&[score(wanted)], &negatives) {
            sums[3] += auc;
            sums[4] += sampled::precision(&[score(wanted)], &negatives, 1);
            compared += 1;
        }
    }
    let names =
        ["recall@10", "NDCG@10", "MRR@10", "AUC (100 sampled negatives)", "precision@1 (100 sampled negatives)"];
    let counts = [asks, asks, asks, compared, compared];
    let means = names.into_iter().zip(sums).zip(counts).filter(|(_, count)| *count > 0);
    means.map(|((name, sum), count)| (name.to_owned(), sum / f64::from(count))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Users see the products of their group in turn.
    fn histories() -> Histories {
        let user = |user: u32| (0..6).map(|step| (user % 10) * 8 + (user / 10 + step) % 8).collect();
        Histories { products: 80, users: (0..2000).map(user).collect() }
    }

    #[test]
    fn held_back_products_are_not_learned_and_are_found() {
        let parameters = Parameters { factors: 16, iterations: 5, confidence: 10.0, ..Parameters::default() };
        let trained = train_and_measure(&histories(), &parameters, (30, 3), |_| true).unwrap();
        let held = held_back(&histories(), parameters.seed).len();
        assert!((60..150).contains(&held), "about one of twenty: {held}");
        assert_eq!(trained.pairs, 12_000 - held);
        // Three products of the group are left, so each is among the first ten, and all others are in other groups.
        assert!(trained.metrics["recall@10"] > 0.99 && trained.metrics["AUC (100 sampled negatives)"] > 0.9);
        assert!(trained.metrics["NDCG@10"] < 0.99 && trained.metrics.len() == 5, "{:?}", trained.metrics);
        let again = train_and_measure(&histories(), &parameters, (30, 3), |_| true).unwrap();
        assert_eq!(again.metrics, trained.metrics);
    }

    #[test]
    fn without_long_histories_there_are_no_measures() {
        let short = Histories { products: 3, users: vec![vec![0], vec![1], vec![], vec![2]] };
        let trained = train_and_measure(&short, &Parameters::default(), (30, 3), |_| true).unwrap();
        assert_eq!((trained.pairs, trained.metrics.len()), (3, 0));
    }
}
