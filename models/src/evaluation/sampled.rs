//! Measures against sampled negatives: AUC and precision.
//!
//! The negatives are a sample, not all products, so the values do not compare with those of other samples (Krichene, Rendle,
//! "On Sampled Metrics for Item Recommendation", KDD 2020). Reports name the number of negatives.

use crate::random;

/// AUC (Hanley, McNeil 1982): the probability that a positive product has a larger score than a negative one; equal scores
/// count half. `None` without positives or negatives.
#[must_use]
pub fn auc(positives: &[f64], negatives: &[f64]) -> Option<f64> {
    if positives.is_empty() || negatives.is_empty() {
        return None;
    }
    let wins = |positive: &f64| -> f64 {
        let one = |negative: &f64| match positive.total_cmp(negative) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        };
        negatives.iter().map(one).sum()
    };
    Some(positives.iter().map(wins).sum::<f64>() / (positives.len() * negatives.len()) as f64)
}

/// Precision at `k`: the share of positives among the `k` products with the largest scores. Of equal scores negatives come
/// first, so that a constant score gains nothing.
#[must_use]
pub fn precision(positives: &[f64], negatives: &[f64], k: usize) -> f64 {
    let marked =
        |scores: &[f64], is_positive: bool| scores.iter().map(move |score| (*score, is_positive)).collect::<Vec<_>>();
    let mut all = [marked(negatives, false), marked(positives, true)].concat();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let k = k.min(all.len());
    if k == 0 {
        return 0.0;
    }
    all[..k].iter().filter(|(_, is_positive)| *is_positive).count() as f64 / k as f64
}

/// `count` distinct numbers below `products` without those that `is_positive` names, drawn with a seed. Fewer if
/// there are fewer, or if ten draws for each number did not find them: then nearly all products are in the history.
#[must_use]
pub fn negatives(count: usize, products: u32, seed: u64, is_positive: impl Fn(u32) -> bool) -> Vec<u32> {
    let mut drawn = Vec::with_capacity(count);
    for draw in 0..10 * count as u64 {
        if drawn.len() == count || products == 0 {
            break;
        }
        let product = random::below(seed, draw, u64::from(products)) as u32;
        if !is_positive(product) && !drawn.contains(&product) {
            drawn.push(product);
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_counts_the_pairs_in_the_right_order() {
        // 0.9 beats all three negatives; 0.4 beats 0.1 and ties with 0.4.
        assert_eq!(auc(&[0.9, 0.4], &[0.5, 0.4, 0.1]), Some((3.0 + 1.5) / 6.0));
        assert_eq!((auc(&[1.0], &[0.0]), auc(&[0.0], &[1.0]), auc(&[0.5], &[0.5])), (Some(1.0), Some(0.0), Some(0.5)));
        assert_eq!((auc(&[], &[1.0]), auc(&[1.0], &[])), (None, None));
    }

    #[test]
    fn precision_is_the_share_of_positives_among_the_first() {
        assert_eq!(precision(&[0.9, 0.4], &[0.5, 0.3], 3), 2.0 / 3.0);
        assert_eq!(precision(&[0.9, 0.4], &[0.5, 0.3], 2), 0.5);
        assert_eq!(precision(&[1.0], &[1.0], 1), 0.0, "a tie is no hit");
        assert_eq!((precision(&[1.0], &[], 10), precision(&[], &[], 10)), (1.0, 0.0));
    }

    #[test]
    fn negatives_are_distinct_and_no_positives() {
        let drawn = negatives(50, 200, 3, |product| product < 100);
        assert_eq!(drawn.len(), 50);
        assert!(drawn.iter().all(|product| (100..200).contains(product)));
        assert_eq!(negatives(50, 200, 3, |product| product < 100), drawn);
        assert_eq!(negatives(5, 2, 3, |_| true), [0; 0]);
    }
}
