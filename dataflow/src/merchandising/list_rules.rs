//! [`ListRules`]: the pins, buries and caps of one list, and the one place where they are applied.
//!
//! ```text
//! rows in their order ─▶ pinned rows out ─▶ buried rows to the end ─▶ rows above a cap out ─▶ pins in ─▶ the first `size`
//! ```

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{Idle, RuleId};
use crate::ids::{CategoryKey, ProductKey};
use crate::rules::Rules;

/// How many rows are read at most to fill a list of which a cap takes rows out.
const LOOK_MAX: usize = 4096;

/// What must be known of products to arrange a list.
pub trait ProductFacts {
    /// Whether a pin may put the product into the list.
    fn may_pin(&self, product: ProductKey) -> bool;

    /// Whether the product is of the category.
    fn is_of(&self, product: ProductKey, category: CategoryKey) -> bool;
}

/// A product at a position of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pin {
    pub(super) rule: RuleId,
    pub(super) product: ProductKey,
    /// Counted from 1.
    pub(super) position: u8,
    /// Whether its rule names the list, and not all lists of similar products.
    pub(super) is_own: bool,
}

impl Pin {
    /// Why it does not stand beside these pins, if it does not: each position and each product is pinned once.
    pub(super) fn lost_to(&self, standing: &[&Pin]) -> Option<Idle> {
        let taken = standing.iter().find(|pin| pin.position == self.position).map(|pin| Idle::Position(pin.rule));
        taken.or_else(|| standing.iter().find(|pin| pin.product == self.product).map(|pin| Idle::Product(pin.rule)))
    }
}

/// The most products of a category in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cap {
    pub(super) rule: RuleId,
    pub(super) category: CategoryKey,
    pub(super) most: u8,
}

/// The effective pins, buries and caps of one list.
#[derive(Debug, Default)]
pub struct ListRules {
    /// In the order of their ids, contradicting ones included: which of them stand depends on their products.
    pub(super) pins: Vec<Pin>,
    pub(super) buried: HashMap<ProductKey, RuleId, RandomState>,
    pub(super) caps: Vec<Cap>,
}

/// A row of an arranged list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arranged<R> {
    /// A row that the list has by itself.
    Own(R),
    /// A product that only a pin puts into the list.
    Pinned(ProductKey),
}

/// A rule that changed a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The rule.
    pub rule: RuleId,
    /// The product that it moved.
    pub product: ProductKey,
    /// What it did.
    pub moved: Moved,
}

/// What a rule did with a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Put it at this position, counted from 1.
    Pinned(u8),
    /// Put it after all others.
    Buried,
    /// Took it out: the list has enough products of its category.
    Capped,
}

/// An arranged list, and the rules that changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrangement<R> {
    /// The rows in their order.
    pub rows: Vec<Arranged<R>>,
    /// The changes, pins last.
    pub moves: Vec<Move>,
}

impl<R> Arrangement<R> {
    /// The first `size` rows, or none if there are fewer than `items_min`.
    #[must_use]
    pub fn shown(mut self, size: usize, items_min: usize) -> Self {
        self.rows.truncate(if Rules::is_shown(self.rows.len(), items_min) { size } else { 0 });
        self
    }

    /// The rows that the list has by itself.
    pub fn own(&self) -> impl Iterator<Item = &R> {
        self.rows.iter().filter_map(|row| match row {
            Arranged::Own(row) => Some(row),
            Arranged::Pinned(_) => None,
        })
    }

    /// A list that no rule changes.
    #[must_use]
    pub fn unchanged(rows: Vec<R>) -> Self {
        Arrangement { rows: rows.into_iter().map(Arranged::Own).collect(), moves: Vec::new() }
    }
}

impl ListRules {
    /// The first `size` rows of a list under these rules. `rows` are its rows before them, `product` reads a row's
    /// product. A list that is shorter than the position of a pin has the pinned product at its end.
    pub fn arrange<R>(
        &self,
        rows: Vec<R>,
        size: usize,
        product: impl Fn(&R) -> ProductKey,
        facts: &impl ProductFacts,
    ) -> Arrangement<R> {
        self.arrange_first(rows, size, product, facts).0
    }

    /// The same, and whether the list stays like this if more rows follow `rows`.
    fn arrange_first<R>(
        &self,
        rows: Vec<R>,
        size: usize,
        product: impl Fn(&R) -> ProductKey,
        facts: &impl ProductFacts,
    ) -> (Arrangement<R>, bool) {
        let mut moves = Vec::new();
        let mut pins: Vec<(&Pin, Option<R>)> = self.standing(facts).into_iter().map(|pin| (pin, None)).collect();
        let (mut own, mut buried) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            let of = product(&row);
            if let Some((_, pinned)) = pins.iter_mut().find(|(pin, _)| pin.product == of) {
                *pinned = Some(row);
            } else if let Some(rule) = self.buried.get(&of) {
                moves.push(Move { rule: *rule, product: of, moved: Moved::Buried });
                buried.push(row);
            } else {
                own.push(row);
            }
        }
        own.append(&mut buried);
        self.cap(&mut own, &pins, &product, facts, &mut moves);
        // Rows that follow come before the buried ones, and let a pin stand at its position.
        let in_front = own.iter().take_while(|row| !self.buried.contains_key(&product(row))).count();
        let pinned = pins.iter().filter(|(pin, _)| usize::from(pin.position) <= size).count();
        let is_final = in_front + pinned >= size;
        let mut rows: Vec<Arranged<R>> = own.into_iter().map(Arranged::Own).collect();
        for (pin, row) in pins {
            let place = rows.len().min(usize::from(pin.position) - 1);
            if place < size {
                moves.push(Move { rule: pin.rule, product: pin.product, moved: Moved::Pinned(pin.position) });
                rows.insert(place, row.map_or(Arranged::Pinned(pin.product), Arranged::Own));
            }
        }
        rows.truncate(size);
        (Arrangement { rows, moves }, is_final)
    }

    /// The pins that stand, by position: of contradicting ones, the first whose product may be pinned.
    fn standing(&self, facts: &impl ProductFacts) -> Vec<&Pin> {
        let mut standing: Vec<&Pin> = Vec::new();
        for pin in &self.pins {
            if pin.lost_to(&standing).is_none() && facts.may_pin(pin.product) {
                standing.push(pin);
            }
        }
        standing.sort_unstable_by_key(|pin| pin.position);
        standing
    }

    /// Takes rows out of which there are enough. Pinned products count first, and stay.
    fn cap<R>(
        &self,
        rows: &mut Vec<R>,
        pins: &[(&Pin, Option<R>)],
        product: impl Fn(&R) -> ProductKey,
        facts: &impl ProductFacts,
        moves: &mut Vec<Move>,
    ) {
        if self.caps.is_empty() {
            return;
        }
        let pinned = |cap: &Cap| pins.iter().filter(|(pin, _)| facts.is_of(pin.product, cap.category)).count();
        let mut counted: Vec<(&Cap, usize)> = self.caps.iter().map(|cap| (cap, pinned(cap))).collect();
        rows.retain(|row| {
            let of = product(row);
            let mut of_row: Vec<&mut (&Cap, usize)> =
                counted.iter_mut().filter(|(cap, _)| facts.is_of(of, cap.category)).collect();
            let full = of_row.iter().find(|(cap, count)| *count >= usize::from(cap.most)).map(|(cap, _)| cap.rule);
            match full {
                Some(rule) => moves.push(Move { rule, product: of, moved: Moved::Capped }),
                None => of_row.iter_mut().for_each(|(_, count)| *count += 1),
            }
            full.is_none()
        });
    }

    /// The first `size` rows of a list that is made when it is asked for. `find` gives at most as
    /// many of its first rows as it is asked for; it gives fewer only if the list has no more.
    pub fn fill<R>(
        &self,
        size: usize,
        mut find: impl FnMut(usize) -> Vec<R>,
        product: impl Fn(&R) -> ProductKey,
        facts: &impl ProductFacts,
    ) -> Arrangement<R> {
        let mut wanted = size + self.buried.len() + self.pins.len();
        loop {
            let rows = find(wanted);
            let is_all = rows.len() < wanted || self.caps.is_empty() || wanted >= LOOK_MAX;
            let (arrangement, is_final) = self.arrange_first(rows, size, &product, facts);
            if is_all || is_final {
                return arrangement;
            }
            wanted *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::dictionary::Dictionary;
    use crate::ids::Ids;

    /// Products are numbers; odd ones are of the category, 9 is hidden.
    struct Plain {
        keys: Vec<ProductKey>,
        odd: CategoryKey,
    }

    impl ProductFacts for Plain {
        fn may_pin(&self, product: ProductKey) -> bool {
            product != self.keys[9]
        }

        fn is_of(&self, product: ProductKey, category: CategoryKey) -> bool {
            category == self.odd && self.keys.iter().position(|key| *key == product).unwrap() % 2 == 1
        }
    }

    impl Plain {
        fn pin(&self, product: usize, position: u8) -> Pin {
            Pin { rule: rule("p"), product: self.keys[product], position, is_own: true }
        }
    }

    fn plain() -> Plain {
        let dictionary = Dictionary::new(Ids::new([3; 16]));
        let keys = (0..10).map(|number| dictionary.product(&format!("product {number}")).unwrap()).collect();
        Plain { keys, odd: dictionary.category("odd").unwrap() }
    }

    fn rule(text: &str) -> RuleId {
        RuleId::of(text).unwrap()
    }

    fn arranged(facts: &Plain, rules: &ListRules, rows: &[usize], size: usize) -> Vec<(usize, bool)> {
        let arrangement = rules.arrange(rows.to_vec(), size, |number| facts.keys[*number], facts);
        let number = |product| facts.keys.iter().position(|key| *key == product).unwrap();
        let row = |row| match row {
            Arranged::Own(own) => (own, false),
            Arranged::Pinned(product) => (number(product), true),
        };
        arrangement.rows.into_iter().map(row).collect()
    }

    fn numbers(arranged: &[(usize, bool)]) -> Vec<usize> {
        arranged.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn pins_stand_where_they_are_told_and_the_others_keep_their_order() {
        let facts = plain();
        let pin = |product, position| facts.pin(product, position);
        let rules = ListRules { pins: vec![pin(8, 6), pin(4, 1), pin(9, 2), pin(7, 3)], ..ListRules::default() };
        assert_eq!(
            arranged(&facts, &rules, &[1, 2, 3, 4, 5], 10),
            [(4, false), (1, false), (7, true), (2, false), (3, false), (8, true), (5, false)]
        );
        assert_eq!(numbers(&arranged(&facts, &rules, &[1, 2, 3, 4, 5], 3)), [4, 1, 7]);
        assert_eq!(numbers(&arranged(&facts, &rules, &[], 3)), [4, 7, 8], "the end of a short list");
    }

    #[test]
    fn a_pin_that_cannot_stand_leaves_its_position_and_product_to_the_next_one() {
        let facts = plain();
        let ruled = |pins: &[(usize, u8)]| {
            let pins = pins.iter().map(|(product, position)| facts.pin(*product, *position)).collect();
            let rules = ListRules { pins, ..ListRules::default() };
            numbers(&arranged(&facts, &rules, &[1, 2, 3], 10))
        };
        assert_eq!(ruled(&[(9, 1), (7, 1), (8, 1)]), [7, 1, 2, 3], "9 may not be pinned");
        assert_eq!(ruled(&[(7, 1), (8, 1), (8, 2)]), [7, 8, 1, 2, 3], "8 lost its first position");
        assert_eq!(ruled(&[(7, 2), (7, 1), (8, 1)]), [8, 7, 1, 2, 3], "7 has its place");
    }

    #[test]
    fn buried_products_come_last_and_caps_let_the_next_ones_move_up() {
        let facts = plain();
        let buried = HashMap::from_iter([(facts.keys[1], rule("b"))]);
        let caps = vec![Cap { rule: rule("c"), category: facts.odd, most: 2 }];
        let rules = ListRules { buried, caps, ..ListRules::default() };
        assert_eq!(numbers(&arranged(&facts, &rules, &[1, 2, 3, 4, 5, 6, 7], 10)), [2, 3, 4, 5, 6]);
        let none = ListRules { caps: vec![Cap { rule: rule("c"), category: facts.odd, most: 0 }], ..rules };
        let mut asked = Vec::new();
        let find = |wanted: usize| {
            asked.push(wanted);
            [1, 3, 5, 7, 2, 4].into_iter().take(wanted).collect::<Vec<usize>>()
        };
        let filled = none.fill(1, find, |number| facts.keys[*number], &facts);
        assert_eq!(filled.rows, [Arranged::Own(2)]);
        assert_eq!(asked, [2, 4, 8], "until there is a row, or there are no more");
    }

    /// The first products of a list that is filled under these rules.
    fn filled(facts: &Plain, rules: &ListRules, rows: &[usize], size: usize) -> Vec<ProductKey> {
        let find = |wanted: usize| rows.iter().copied().take(wanted).collect();
        let filled = rules.fill(size, find, |number| facts.keys[*number], facts);
        filled.rows.into_iter().map(|row| row_product(facts, &row)).collect()
    }

    fn row_product(facts: &Plain, row: &Arranged<usize>) -> ProductKey {
        match row {
            Arranged::Own(number) => facts.keys[*number],
            Arranged::Pinned(product) => *product,
        }
    }

    #[test]
    fn rows_are_read_until_neither_a_pin_nor_a_buried_product_stands_in_the_place_of_a_later_row() {
        let facts = plain();
        let caps = vec![Cap { rule: rule("c"), category: facts.odd, most: 0 }];
        let pins = vec![facts.pin(8, 4)];
        let pinned = ListRules { pins, caps: caps.clone(), ..ListRules::default() };
        let keys = |numbers: [usize; 3]| numbers.map(|number| facts.keys[number]);
        assert_eq!(filled(&facts, &pinned, &[1, 2, 4, 8, 6], 3), keys([2, 4, 6]));
        let buried = HashMap::from_iter([(facts.keys[2], rule("b"))]);
        let buried = ListRules { buried, caps, ..ListRules::default() };
        assert_eq!(filled(&facts, &buried, &[2, 1, 4, 6, 8], 3), keys([4, 6, 8]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_list_that_is_filled_is_the_beginning_of_the_whole_list(
            rows in Just((0..9).collect::<Vec<usize>>()).prop_shuffle(),
            length in 0..10usize,
            pins in vec((0..10usize, 1..8u8), 0..4),
            buried in btree_set(0..9usize, 0..4),
            most in prop::option::of(0..4u8),
            size in 1..6usize,
        ) {
            let facts = plain();
            let pins = pins.into_iter().map(|(product, position)| facts.pin(product, position)).collect();
            let buried = buried.into_iter().map(|product| (facts.keys[product], rule("b"))).collect();
            let caps = most.map(|most| Cap { rule: rule("c"), category: facts.odd, most }).into_iter().collect();
            let rules = ListRules { pins, buried, caps };
            let rows = &rows[..length.min(9)];
            let whole = rules.arrange(rows.to_vec(), 100, |number| facts.keys[*number], &facts);
            let whole: Vec<ProductKey> = whole.rows.iter().map(|row| row_product(&facts, row)).take(size).collect();
            prop_assert_eq!(filled(&facts, &rules, rows, size), whole);
        }
    }
}
