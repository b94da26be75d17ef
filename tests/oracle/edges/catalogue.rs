//! Products that are deleted, that cannot be bought, or that are in no category.

use super::*;

/// In the catalogue, and in no category.
fn no_category(product: usize, diff: Diff) -> Update {
    Update::Catalogue { product, category: In::None, diff }
}

/// Deleted from the catalogue.
fn gone(product: usize, diff: Diff) -> Update {
    Update::Catalogue { product, category: In::Deleted, diff }
}

#[test]
fn a_product_that_is_deleted_leaves_all_lists_but_histories() {
    // User 0 has bought products 1, 2 and 3, of which the catalogue never had the last, and has seen product 1.
    let rows =
        [order(0, 0, 1000, 1), line(0, 1, 1), line(0, 2, 1), line(0, 3, 1), category(1, 0, 1), category(2, 0, 1)];
    let rows = [rows.as_slice(), &[view(0, 1, 5), view(1, 2, 5)]].concat();
    let shop: (&[Update], Time) = (&rows, 1001);
    let deleted: (&[Update], Time) = (&[category(1, 0, -1), gone(1, 1)], 1002);
    let back: (&[Update], Time) = (&[gone(1, -1), category(1, 0, 1)], 1003);
    let products = |list: Vec<(usize, u64)>| {
        let mut products: Vec<usize> = list.into_iter().map(|(product, _)| product).collect();
        products.sort_unstable();
        products
    };
    for (rule, missing_is_deleted, general, history) in [
        (Deleted::InHistories, false, vec![2, 3], vec![(1, 5)]),
        (Deleted::InHistories, true, vec![2], vec![(1, 5)]),
        (Deleted::Hidden, false, vec![2, 3], vec![]),
        (Deleted::Hidden, true, vec![2], vec![]),
        (Deleted::Shown, false, vec![1, 2, 3], vec![(1, 5)]),
        (Deleted::Shown, true, vec![1, 2, 3], vec![(1, 5)]),
    ] {
        let rules = Rules { deleted: rule, missing_is_deleted, ..RULES };
        let before = end_with(rules, &[shop]);
        let all: &[usize] = if missing_is_deleted && rule != Deleted::Shown { &[1, 2] } else { &[1, 2, 3] };
        assert_eq!((products(before.general()), products(before.category(0))), (all.to_vec(), vec![1, 2]), "{rules:?}");
        let end = end_with(rules, &[shop, deleted]);
        assert_eq!((products(end.general()), end.history(0)), (general.clone(), history), "{rules:?}");
        assert_eq!((end.category(0), end.history(1)), (vec![(2, 1)], vec![(2, 5)]), "{rules:?}");
        let (personal, mut recommended) = end.recommended(0);
        recommended.sort_unstable();
        assert_eq!((personal, recommended), (false, general), "{rules:?}");
        assert_eq!(end.recommended(1), (true, vec![2]), "{rules:?}");
        let again = end_with(rules, &[shop, deleted, back]);
        assert_eq!((again.general(), again.category(0)), (before.general(), before.category(0)), "{rules:?}");
        assert_eq!(again.history(0), [(1, 5)], "{rules:?}");
    }
}

#[test]
fn a_product_that_cannot_be_bought_is_on_no_list_and_stays_in_its_category_and_in_histories() {
    // User 0 has bought products 1 and 2 of category 0, and has seen product 1.
    let rows =
        [order(0, 0, 1000, 1), line(0, 1, 1), line(0, 2, 1), category(1, 0, 1), category(2, 0, 1), view(0, 1, 5)];
    let shop: (&[Update], Time) = (&rows, 1001);
    let unavailable = |diff| Update::Catalogue { product: 1, category: In::Unavailable, diff };
    let (sold_out, back): ([Update; 2], [Update; 2]) =
        ([unavailable(1), unavailable(1)], [unavailable(-1), unavailable(-1)]);
    for deleted in [Deleted::InHistories, Deleted::Hidden, Deleted::Shown] {
        for missing_is_deleted in [false, true] {
            let rules = Rules { deleted, missing_is_deleted, ..RULES };
            let before = end_with(rules, &[shop]);
            assert_eq!((before.general().len(), before.category(0).len()), (2, 2), "{rules:?}");
            let end = end_with(rules, &[shop, (&sold_out, 1002)]);
            assert_eq!((end.general(), end.category(0)), (vec![(2, 1)], vec![(2, 1)]), "{rules:?}");
            assert_eq!((end.history(0), end.recommended(0)), (vec![(1, 5)], (true, vec![2])), "{rules:?}");
            let again = end_with(rules, &[shop, (&sold_out, 1002), (&back, 1003)]);
            assert_eq!((again.general(), again.category(0)), (before.general(), before.category(0)), "{rules:?}");
        }
    }
}

#[test]
fn a_product_in_no_category_is_in_the_catalogue() {
    let rows =
        [order(0, 0, 1000, 1), line(0, 1, 1), no_category(1, 1), no_category(2, 1), view(0, 1, 5), view(0, 2, 4)];
    for deleted in [Deleted::InHistories, Deleted::Hidden, Deleted::Shown] {
        let rules = Rules { deleted, missing_is_deleted: true, ..RULES };
        let shop: (&[Update], Time) = (&rows, 1001);
        let end = end_with(rules, &[shop]);
        assert_eq!((end.general(), end.history(0)), (vec![(1, 1)], vec![(1, 5), (2, 4)]));
        assert_eq!(end.recommended(0), (false, vec![1]));
        // It may have several rows, and stays as long as it has one.
        let moved = end_with(rules, &[shop, (&[category(1, 3, 1)], 1002), (&[no_category(1, -1)], 1003)]);
        assert_eq!((moved.general(), moved.category(3)), (vec![(1, 1)], vec![(1, 1)]));
    }
}
