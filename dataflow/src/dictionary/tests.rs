//! Names, collisions, and the rounds after which ids leave.

use super::*;

#[test]
fn names_come_back_and_new_ones_are_announced_once() {
    let dictionary = Dictionary::new(Ids::new([1; 16])).announcing();
    let key = dictionary.product("lamp").unwrap();
    assert_eq!(dictionary.product("lamp").unwrap(), key);
    assert_eq!(dictionary.product_name(key).as_deref(), Some("lamp"));
    assert_eq!(dictionary.find_product("chair"), None);
    assert_eq!(dictionary.take_fresh(), [Name::Product(key, "lamp".into())]);
    assert_eq!(dictionary.take_fresh(), []);
}

#[test]
fn a_second_id_under_one_key_is_refused() {
    let dictionary = Dictionary::new(Ids::new([1; 16]));
    let key = dictionary.product("lamp").unwrap();
    assert_eq!(dictionary.learn(&Name::Product(key, "chair".into())), Err(Collision("product")));
    assert_eq!(dictionary.product_name(key).as_deref(), Some("lamp"));
}

/// Ends a round without rows; whether nothing put it off.
fn end_round(dictionary: &Dictionary) -> bool {
    dictionary.end_round().map(Round::end).is_some()
}

#[test]
fn an_id_leaves_in_the_fourth_round_after_its_last_use_and_a_new_use_names_it_anew() {
    let dictionary = Dictionary::new(Ids::new([1; 16])).remembering_users().saving();
    let (ada, ben) = (dictionary.user("ada"), dictionary.user("ben"));
    let named = || [ada, ben].map(|user| dictionary.user_name(user).is_some());
    for _ in 0..4 {
        let mut round = dictionary.end_round().unwrap();
        round.mark_user(ben);
        assert_eq!((round.end(), named()), (0, [true; 2]));
    }
    let mut round = dictionary.end_round().unwrap();
    round.mark_user(ben);
    assert_eq!((round.end(), named(), dictionary.users_len()), (1, [false, true], 1));
    assert_eq!(dictionary.take_unsaved().len(), 2);
    assert_eq!(dictionary.find_user("ada"), ada, "a key does not change");
    assert_eq!((dictionary.user("ada"), named()), (ada, [true; 2]));
    assert_eq!(dictionary.take_unsaved(), [Name::User(ada, "ada".into())], "the next checkpoint has it");
    assert_eq!(dictionary.users_forgotten(), 1);
}

#[test]
fn a_cluster_forgets_nothing() {
    let dictionary = Dictionary::new(Ids::new([1; 16])).remembering_users();
    assert!(end_round(&dictionary) && !end_round(&dictionary.announcing()));
}

#[test]
fn the_products_of_a_model_stay_while_it_is_in_use_and_the_key_of_another_product_is_free_when_that_has_left() {
    let dictionary = Dictionary::new(Ids::new([1; 16]));
    let key = dictionary.product("lamp").unwrap();
    let other = Name::Product(key, "chair".into());
    let kept = dictionary.keep_products(vec![key]);
    (0..6).for_each(|_| assert!(end_round(&dictionary)));
    assert_eq!((dictionary.find_product("lamp"), dictionary.learn(&other)), (Some(key), Err(Collision("product"))));
    drop(kept);
    (0..6).for_each(|_| assert!(end_round(&dictionary)));
    assert_eq!(
        (dictionary.find_product("lamp"), dictionary.product_name(key), dictionary.products_len()),
        (None, None, 0)
    );
    assert_eq!(dictionary.learn(&other), Ok(()));
    assert_eq!(
        (dictionary.product("lamp"), dictionary.product_name(key).as_deref()),
        (Err(Collision("product")), Some("chair"))
    );
}
