//! [`RuleText`]: a rule as people and logs write it, with ids in place of keys.

use serde::{Deserialize, Serialize};

use super::{MerchAction, MerchList, MerchRule, POSITION_MAX, RuleScope, id_text};
use crate::dictionary::Dictionary;
use crate::ids::{CategoryKey, ID_BYTES_MAX, ProductKey};
use crate::time::Millis;

settings::choice! {
    /// The kinds of rules.
    pub enum RuleKind {
        /// On no list, and left out of histories.
        Hide = "hide",
        /// On no list, but in histories.
        OutOfStock = "out_of_stock",
        /// At a position of a list.
        Pin = "pin",
        /// After all others of a list.
        Bury = "bury",
        /// A list has at most `n` products of a category.
        Cap = "cap",
    }
}

/// The names of lists without an id.
const LISTS: [(&str, MerchList); 5] = [
    ("bestsellers", MerchList::BestSellers),
    ("similar", MerchList::Similar),
    ("for-you", MerchList::ForYou),
    ("buy-again", MerchList::BuyAgain),
    ("recommendations", MerchList::Recommendations),
];

/// How the best sellers of a category begin: the id of the category follows.
const OF_CATEGORY: &str = "category:";

/// How the similar products of one product begin: the id of the product follows.
const SIMILAR_TO: &str = "similar:";

/// A rule with the ids of products and categories. A rule has exactly the fields of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    /// The word of its kind.
    pub rule: String,
    /// The product of all rules but caps.
    #[serde(default, deserialize_with = "id_text::optional", skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The category of a cap.
    #[serde(default, deserialize_with = "id_text::optional", skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The list of a pin, a bury or a cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// The position of a pin, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// The most products of a cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// The first time at which it is effective, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Millis>,
    /// The first time at which it is no longer effective, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
    /// The lists that it is for, a word of [`RuleScope::WORDS`]; both if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
}

/// What is wrong with a rule's text. It holds no value of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault<E> {
    /// The kind is unknown.
    #[error("`rule` must be hide, out_of_stock, pin, bury or cap")]
    Kind,
    /// A field is missing that the kind of rule needs.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field is given that the kind of rule does not have.
    #[error("`{0}` is no field of this kind of rule")]
    Superfluous(&'static str),
    /// A number is out of bounds.
    #[error("`{0}` must be a whole number {1}")]
    OutOfBounds(&'static str, &'static str),
    /// The list is unknown.
    #[error(
        "`list` must be bestsellers, category:ID, similar, similar:ID, for-you, buy-again or recommendations; a cap is not \
         for one category's list"
    )]
    List,
    /// An id is empty or too long.
    #[error("the id in `{0}` must have 1 to {ID_BYTES_MAX} bytes")]
    Length(&'static str),
    /// The lists that it is for are unknown.
    #[error("`set` must be both, live or shadow")]
    Scope,
    /// The rule ends before it begins.
    #[error("`until` must be later than `from`")]
    Never,
    /// The id in this field has no key.
    #[error("{1}")]
    Id(&'static str, E),
}

impl RuleText {
    /// The words that may name a list; a category's or a product's id follows a colon at the end.
    pub fn lists() -> impl Iterator<Item = &'static str> {
        LISTS.iter().map(|(word, _)| *word).chain([OF_CATEGORY, SIMILAR_TO])
    }

    /// The rule with keys, which `product` and `category` find or make.
    ///
    /// # Errors
    /// When a field is wrong, or an id has no key.
    pub fn keyed<E>(
        &self,
        mut product: impl FnMut(&str) -> Result<ProductKey, E>,
        mut category: impl FnMut(&str) -> Result<CategoryKey, E>,
    ) -> Result<MerchRule, RuleFault<E>> {
        let kind = self.kind().ok_or(RuleFault::Kind)?;
        self.check_ids()?;
        self.check_fields(kind)?;
        let scope = self.set.as_deref().map_or(Some(RuleScope::Both), RuleScope::find).ok_or(RuleFault::Scope)?;
        let (from, until) = (self.from.unwrap_or(0), self.until.unwrap_or(Millis::MAX));
        if from >= until {
            return Err(RuleFault::Never);
        }
        let mut of_product = || {
            let id = self.product.as_deref().unwrap_or_default();
            product(id).map_err(|error| RuleFault::Id("product", error))
        };
        let action = match kind {
            RuleKind::Hide => MerchAction::Hide(of_product()?),
            RuleKind::OutOfStock => MerchAction::OutOfStock(of_product()?),
            RuleKind::Pin => {
                let position = self.position.and_then(|position| u8::try_from(position).ok());
                let position = position.filter(|position| (1..=POSITION_MAX).contains(position));
                let position = position.ok_or(RuleFault::OutOfBounds("position", "from 1 to 100"))?;
                MerchAction::Pin(of_product()?, self.keyed_list(&mut product, &mut category)?, position)
            }
            RuleKind::Bury => MerchAction::Bury(of_product()?, self.keyed_list(&mut product, &mut category)?),
            RuleKind::Cap => {
                let most = self.n.and_then(|most| u8::try_from(most).ok()).filter(|most| *most <= POSITION_MAX);
                let most = most.ok_or(RuleFault::OutOfBounds("n", "from 0 to 100"))?;
                let list = self.keyed_list(&mut product, &mut category)?;
                if let MerchList::Category(_) = list {
                    return Err(RuleFault::List);
                }
                let id = self.category.as_deref().unwrap_or_default();
                MerchAction::Cap(category(id).map_err(|error| RuleFault::Id("category", error))?, list, most)
            }
        };
        Ok(MerchRule { action, from, until, scope })
    }

    /// The text of a rule. An id that the dictionary lacks is left out.
    #[must_use]
    pub fn of(rule: &MerchRule, dictionary: &Dictionary) -> RuleText {
        let product = |key| dictionary.product_name(key).map(|id| id.to_string());
        let category = |key| dictionary.category_name(key).map(|id| id.to_string());
        let list = |list| match list {
            MerchList::Category(key) => category(key).map(|id| format!("{OF_CATEGORY}{id}")),
            MerchList::SimilarTo(key) => product(key).map(|id| format!("{SIMILAR_TO}{id}")),
            _ => LISTS.iter().find(|(_, known)| *known == list).map(|(word, _)| (*word).to_owned()),
        };
        let (from, until) = ((rule.from > 0).then_some(rule.from), (rule.until < Millis::MAX).then_some(rule.until));
        let set = (rule.scope != RuleScope::Both).then(|| rule.scope.word().to_owned());
        let of = |kind: RuleKind, text: RuleText| RuleText {
            rule: RuleKind::WORDS[kind as usize].to_owned(),
            from,
            until,
            set,
            ..text
        };
        let none = RuleText::default();
        match rule.action {
            MerchAction::Hide(key) => of(RuleKind::Hide, RuleText { product: product(key), ..none }),
            MerchAction::OutOfStock(key) => of(RuleKind::OutOfStock, RuleText { product: product(key), ..none }),
            MerchAction::Pin(key, on, position) => {
                let position = Some(u64::from(position));
                of(RuleKind::Pin, RuleText { product: product(key), list: list(on), position, ..none })
            }
            MerchAction::Bury(key, on) => {
                of(RuleKind::Bury, RuleText { product: product(key), list: list(on), ..none })
            }
            MerchAction::Cap(key, on, most) => {
                let n = Some(u64::from(most));
                of(RuleKind::Cap, RuleText { category: category(key), list: list(on), n, ..none })
            }
        }
    }

    fn kind(&self) -> Option<RuleKind> {
        use settings::FromValue as _;
        let word = RuleKind::WORDS.contains(&&*self.rule);
        word.then(|| RuleKind::from_value(&settings::Value::from(&*self.rule)))
    }

    /// Checks that each id may enter the dictionary.
    fn check_ids<E>(&self) -> Result<(), RuleFault<E>> {
        let list = self.list.as_deref().unwrap_or_default();
        let of_list = list.strip_prefix(OF_CATEGORY).or_else(|| list.strip_prefix(SIMILAR_TO));
        // Without an id it is no list, which is a fault of its own.
        let of_list = of_list.filter(|id| !id.is_empty());
        let ids = [("product", self.product.as_deref()), ("category", self.category.as_deref()), ("list", of_list)];
        let wrong = ids.into_iter().find(|(_, id)| id.is_some_and(|id| !(1..=ID_BYTES_MAX).contains(&id.len())));
        wrong.map_or(Ok(()), |(field, _)| Err(RuleFault::Length(field)))
    }

    /// Checks that exactly the fields of the kind are there.
    fn check_fields<E>(&self, kind: RuleKind) -> Result<(), RuleFault<E>> {
        let (is_pin, is_cap) = (matches!(kind, RuleKind::Pin), matches!(kind, RuleKind::Cap));
        let has_list = is_pin || is_cap || matches!(kind, RuleKind::Bury);
        for (name, is_there, is_needed) in [
            ("product", self.product.is_some(), !is_cap),
            ("category", self.category.is_some(), is_cap),
            ("list", self.list.is_some(), has_list),
            ("position", self.position.is_some(), is_pin),
            ("n", self.n.is_some(), is_cap),
        ] {
            match (is_there, is_needed) {
                (false, true) => return Err(RuleFault::Missing(name)),
                (true, false) => return Err(RuleFault::Superfluous(name)),
                _ => {}
            }
        }
        Ok(())
    }

    fn keyed_list<E>(
        &self,
        product: &mut impl FnMut(&str) -> Result<ProductKey, E>,
        category: &mut impl FnMut(&str) -> Result<CategoryKey, E>,
    ) -> Result<MerchList, RuleFault<E>> {
        let text = self.list.as_deref().unwrap_or_default();
        let in_list = |error| RuleFault::Id("list", error);
        if let Some(id) = text.strip_prefix(OF_CATEGORY).filter(|id| !id.is_empty()) {
            return category(id).map(MerchList::Category).map_err(in_list);
        }
        if let Some(id) = text.strip_prefix(SIMILAR_TO).filter(|id| !id.is_empty()) {
            return product(id).map(MerchList::SimilarTo).map_err(in_list);
        }
        LISTS.iter().find(|(word, _)| *word == text).map(|(_, list)| *list).ok_or(RuleFault::List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Ids;

    fn text(rule: &str) -> RuleText {
        RuleText { rule: rule.into(), ..RuleText::default() }
    }

    #[test]
    fn every_rule_comes_back_as_its_text() {
        let dictionary = Dictionary::new(Ids::new([3; 16]));
        let some = |text: &str| Some(text.to_owned());
        for rule in [
            RuleText { product: some("lamp"), ..text("hide") },
            RuleText { product: some("lamp"), from: Some(5), until: Some(9), ..text("out_of_stock") },
            RuleText { product: some("lamp"), list: some("category:tea"), position: Some(3), ..text("pin") },
            RuleText { product: some("lamp"), list: some("similar:mug"), set: some("live"), ..text("bury") },
            RuleText { product: some("lamp"), set: some("shadow"), ..text("hide") },
            RuleText { category: some("tea"), list: some("for-you"), n: Some(0), ..text("cap") },
        ] {
            let keyed = rule.keyed(|id| dictionary.product(id), |id| dictionary.category(id)).unwrap();
            assert_eq!(RuleText::of(&keyed, &dictionary), rule);
        }
    }

    #[test]
    fn an_id_that_no_checkpoint_can_hold_is_refused_before_it_is_looked_up() {
        let some = |id: &str| Some(id.to_owned());
        let bury = |word: &str, id: &str| RuleText {
            product: some("lamp"),
            list: Some(format!("{word}{id}")),
            ..text("bury")
        };
        let cap = |id: &str| RuleText { category: some(id), list: some("similar"), n: Some(1), ..text("cap") };
        let hide = |id: &str| RuleText { product: some(id), ..text("hide") };
        let (longest, longer) = ("x".repeat(ID_BYTES_MAX), "é".repeat(ID_BYTES_MAX / 2 + 1));
        let [product, category, list] = ["product", "category", "list"].map(|field| Some(RuleFault::Length(field)));
        for (rule, fault) in [
            (hide(""), product),
            (cap(""), category),
            (hide(&longer), product),
            (cap(&longer), category),
            (bury(OF_CATEGORY, &longer), list),
            (bury(SIMILAR_TO, &longer), list),
            (hide(&longest), None),
            (cap(&longest), None),
            (bury(OF_CATEGORY, &longest), None),
            (bury(SIMILAR_TO, &longest), None),
        ] {
            let dictionary = Dictionary::new(Ids::new([3; 16])).saving();
            let keyed = rule.keyed(|id| dictionary.product(id), |id| dictionary.category(id));
            assert_eq!((keyed.err(), dictionary.take_unsaved().is_empty()), (fault, fault.is_some()), "{rule:?}");
        }
    }

    #[test]
    fn each_fault_is_named() {
        let some = |text: &str| Some(text.to_owned());
        let pin = RuleText { product: some("lamp"), list: some("bestsellers"), position: Some(1), ..text("pin") };
        let cap = RuleText { category: some("tea"), list: some("category:tea"), n: Some(1), ..text("cap") };
        for (rule, fault) in [
            (text("hidden"), RuleFault::Kind),
            (text("hide"), RuleFault::Missing("product")),
            (RuleText { n: Some(1), ..pin.clone() }, RuleFault::Superfluous("n")),
            (RuleText { position: Some(0), ..pin.clone() }, RuleFault::OutOfBounds("position", "from 1 to 100")),
            (RuleText { position: Some(257), ..pin.clone() }, RuleFault::OutOfBounds("position", "from 1 to 100")),
            (RuleText { list: some("category:"), ..pin.clone() }, RuleFault::List),
            (RuleText { set: some("mine"), ..pin.clone() }, RuleFault::Scope),
            (RuleText { from: Some(5), until: Some(5), ..pin.clone() }, RuleFault::Never),
            (RuleText { product: some("?"), ..pin.clone() }, RuleFault::Id("product", "unknown")),
            (RuleText { list: some("similar:?"), ..pin }, RuleFault::Id("list", "unknown")),
            (cap, RuleFault::List),
        ] {
            let product = |id: &str| if id == "?" { Err("unknown") } else { Ok(ProductKey::default()) };
            assert_eq!(rule.keyed(product, |_| Ok(CategoryKey::NONE)), Err(fault), "{rule:?}");
        }
    }
}
