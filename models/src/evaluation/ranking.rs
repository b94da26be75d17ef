//! Whether the products that came next are in a list, and how far up.

/// Recall: the share of the relevant products that are among the first `k`. 0 without a relevant product.
#[must_use]
pub fn recall<P: PartialEq>(list: &[P], relevant: &[P], k: usize) -> f64 {
    if relevant.is_empty() {
        return 0.0;
    }
    hits(list, relevant, k).count() as f64 / relevant.len() as f64
}

/// NDCG with binary relevance (Järvelin, Kekäläinen 2002): Σ 1 / log₂(place + 1) over the hits, places from 1, divided by the
/// same sum of the best list there could be, which has the relevant products first.
#[must_use]
pub fn ndcg<P: PartialEq>(list: &[P], relevant: &[P], k: usize) -> f64 {
    let gain = |place: usize| 1.0 / (place as f64 + 1.0).log2();
    let best: f64 = (1..=relevant.len().min(k)).map(gain).sum();
    if best == 0.0 {
        return 0.0;
    }
    hits(list, relevant, k).map(gain).sum::<f64>() / best
}

/// The reciprocal of the place of the first hit among the first `k`; 0 without a hit. Its mean is MRR.
#[must_use]
pub fn reciprocal_rank<P: PartialEq>(list: &[P], relevant: &[P], k: usize) -> f64 {
    hits(list, relevant, k).next().map_or(0.0, |place| 1.0 / place as f64)
}

/// The places of the hits, from 1.
fn hits<P: PartialEq>(list: &[P], relevant: &[P], k: usize) -> impl Iterator<Item = usize> {
    (1..).zip(list.iter().take(k)).filter(|(_, product)| relevant.contains(product)).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} for {expected}");
    }

    #[test]
    fn one_relevant_product_in_third_place() {
        let list = ["a", "b", "c", "d"];
        close(recall(&list, &["c"], 10), 1.0);
        close(ndcg(&list, &["c"], 10), 0.5); // 1 / log₂ 4
        close(reciprocal_rank(&list, &["c"], 10), 1.0 / 3.0);
        assert_eq!(
            (recall(&list, &["c"], 2), ndcg(&list, &["c"], 2), reciprocal_rank(&list, &["c"], 2)),
            (0.0, 0.0, 0.0)
        );
    }

    #[test]
    fn three_relevant_products_of_which_two_are_found() {
        let (list, relevant) = (["a", "b", "c", "d"], ["b", "d", "x"]);
        close(recall(&list, &relevant, 4), 2.0 / 3.0);
        // Gains 1, 0.630929754, 0.5, 0.430676558 at places 1 to 4.
        close(ndcg(&list, &relevant, 4), (0.630929753571457 + 0.430676558073393) / (1.0 + 0.630929753571457 + 0.5));
        close(reciprocal_rank(&list, &relevant, 4), 0.5);
        // Among the first two only "b" counts, and the best list of two has two hits.
        close(ndcg(&list, &relevant, 2), 0.630929753571457 / 1.630929753571457);
    }

    #[test]
    fn without_a_list_or_a_relevant_product_nothing_is_found() {
        for measure in [recall::<u8>, ndcg::<u8>, reciprocal_rank::<u8>] {
            assert_eq!((measure(&[], &[1], 10), measure(&[1], &[], 10), measure(&[1], &[1], 0)), (0.0, 0.0, 0.0));
            assert_eq!(measure(&[1], &[1], 10), 1.0);
        }
    }
}
