//! What a reader should have seen, read off the recomputed lists.

use dataflow::ids::{ProductKey, UserKey};
use dataflow::rules::Rules;

use crate::given::World;
use crate::merchandising::{On, Row};
use crate::plain::{Shelves, Which};
use crate::seen::Seen;

/// What should have been seen.
pub(crate) fn right(shelves: &Shelves, world: &World, rules: &Rules, seen: &Seen) -> Seen {
    match seen {
        Seen::History(user, _) => Seen::History(*user, shelves.histories[user].clone()),
        Seen::Best(which, _) => Seen::Best(*which, shelves.best(*which).to_vec()),
        Seen::Listed(on, _) => Seen::Listed(*on, shelves.listed(world, *on, rules)),
        Seen::Arranged(on, user, rows) => {
            Seen::Arranged(*on, *user, arranged(shelves, world, (*on, *user), rules, rows))
        }
        Seen::CategoriesOf(product, _) => {
            let categories = shelves.categories_of.get(product).into_iter().flatten();
            Seen::CategoriesOf(*product, categories.copied().collect())
        }
        Seen::Size(category, _) => Seen::Size(*category, shelves.sizes().get(category).copied()),
        Seen::Sizes(_) => Seen::Sizes(shelves.sizes().into_iter().collect()),
        Seen::Selling(_) => Seen::Selling(shelves.selling()),
        Seen::Viewers(product, _) => Seen::Viewers(*product, shelves.learned().viewers(*product)),
        Seen::Similar(product, _) => {
            let (learned, may_show) = (shelves.learned(), |product| shelves.may_show(product, rules));
            Seen::Similar(*product, [learned.similar(*product), learned.similar_shown(*product, may_show)])
        }
        Seen::ForYou(user, _) => {
            let may_show = |product| shelves.may_show(product, rules);
            let history = &shelves.whole_histories[user];
            Seen::ForYou(*user, shelves.learned().for_you(history, &[], rules.list_size, may_show))
        }
        Seen::Features(user, _) => Seen::Features(*user, shelves.features[user].clone()),
        Seen::BuyAgain(user, _) => {
            let mut right = shelves.bought[user].clone();
            right.retain(|(product, ..)| shelves.may_show(*product, rules));
            right.truncate(rules.list_size);
            Seen::BuyAgain(*user, right)
        }
        Seen::ForYouAfter(viewed, exclude, _) => {
            let may_show = |product| shelves.may_show(product, rules);
            let right = shelves.learned().for_you(viewed, &[*exclude], rules.list_size, may_show);
            Seen::ForYouAfter(viewed.clone(), *exclude, right)
        }
        Seen::Recommended(user, _, picks) => recommended(shelves, *user, picks),
        Seen::InShadow(seen) => {
            let of_shadow = shelves.shadow.as_ref().expect("the shadow is on");
            Seen::InShadow(Box::new(right(of_shadow, world, &rules.of_shadow(), seen)))
        }
    }
}

/// The rows of a list that is made when it is asked for.
fn arranged(shelves: &Shelves, world: &World, of: (On, Option<UserKey>), rules: &Rules, seen: &[Row]) -> Vec<Row> {
    let own = unarranged(shelves, world, of, rules);
    let mut right = shelves.arranged(world, of.0, &own, rules);
    right.truncate(rules.list_size);
    // A pinned product that is far down in the list itself has its place from the pin alone: the rows so far down need not be
    // looked for.
    for (row, seen) in right.iter_mut().zip(seen).filter(|(row, seen)| row.0 == seen.0) {
        let rank = own.iter().position(|product| *product == row.0);
        if rank.is_none_or(|rank| rank >= rules.list_size) {
            row.1 = seen.1;
        }
    }
    right
}

/// The recommendations of a user.
fn recommended(shelves: &Shelves, user: UserKey, picks: &[(ProductKey, u64, Which, usize)]) -> Seen {
    let right = &shelves.recommended[&user];
    let place = |&((product, buyers), own): &((ProductKey, u64), bool)| {
        if !own {
            return (product, buyers, None, 0);
        }
        // A product of two of the lists may be credited to either.
        let credited = picks.iter().find(|pick| pick.0 == product).map(|pick| pick.2);
        let list = credited.filter(|which| right.merged_from.contains(which));
        let rank = list.and_then(|which| shelves.best(which).iter().position(|row| row.0 == product));
        (product, buyers, list.flatten(), rank.map_or(0, |place| place + 1))
    };
    Seen::Recommended(user, right.personal, right.products.iter().map(place).collect())
}

/// All rows of a list that is made when it is asked for, before its merchandising rules.
fn unarranged(shelves: &Shelves, world: &World, (on, user): (On, Option<UserKey>), rules: &Rules) -> Vec<ProductKey> {
    let may_show = |product| shelves.may_show(product, rules);
    match (on, user) {
        (On::ForYou, Some(user)) => {
            let history = &shelves.whole_histories[&user];
            let all = shelves.learned().for_you(history, &[], usize::MAX, may_show);
            all.into_iter().map(|(product, ..)| product).collect()
        }
        (On::BuyAgain, Some(user)) => {
            shelves.bought[&user].iter().map(|(product, ..)| *product).filter(|product| may_show(*product)).collect()
        }
        (On::SimilarTo(product), _) => {
            let rows = shelves.learned().similar_shown(world.products[product], may_show);
            rows.into_iter().map(|(product, _)| product).collect()
        }
        _ => unreachable!("no other list is looked at like this"),
    }
}
