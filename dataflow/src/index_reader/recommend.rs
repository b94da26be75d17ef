//! "Best sellers for you": the best sellers of the categories a user looked at most.

use super::ReadView;
use crate::graph::{BestSellers, History, ListId, Seller, Viewed};
use crate::ids::{CategoryKey, ProductKey, UserKey};
use crate::merchandising::{Arranged, MerchList, Move};
use crate::rules::Rules;
use crate::time::Diff;

/// Whether a list is personal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From the categories of the user's history.
    Personalized,
    /// The general best sellers.
    NonPersonalized,
}

/// One recommended product, and the row from which it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// The product and its buyers.
    pub seller: Seller,
    /// The list it comes from.
    pub ranking: ListId,
    /// Its place in that list, from 1; 0 if only a merchandising rule puts it among the recommendations.
    pub rank: usize,
}

/// The recommendations for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recommendations {
    /// Whether the list is personal.
    pub kind: Kind,
    /// Best first.
    pub picks: Vec<Pick>,
    /// The changes that merchandising rules made.
    pub moves: Vec<Move>,
}

/// The best sellers of the categories of the history, or the general ones if there are none, as people see them.
pub(super) fn recommend(view: &ReadView<'_>, user: UserKey, rules: &Rules) -> Recommendations {
    let mut history = Vec::new();
    view.rows::<History>(&user, &mut history);
    let mut picks = of_categories(view, &history, rules.categories_max);
    let kind = if picks.is_empty() { Kind::NonPersonalized } else { Kind::Personalized };
    if picks.is_empty() {
        picks.extend(list(view, ListId::General));
    }
    let mut moves = Vec::new();
    if let Some(list_rules) = view.list_rules(MerchList::Recommendations) {
        let arrangement = list_rules.arrange(picks, rules.list_size, |pick| pick.seller.product, view);
        let pick = |row| match row {
            Arranged::Own(pick) => pick,
            Arranged::Pinned(product) => {
                let seller = Seller::new(view.buyers_of_pinned(product), product);
                Pick { seller, ranking: ListId::General, rank: 0 }
            }
        };
        picks = arrangement.rows.into_iter().map(pick).collect();
        moves = arrangement.moves;
    }
    picks.truncate(if Rules::is_shown(picks.len(), rules.items_min) { rules.list_size } else { 0 });
    Recommendations { kind, picks, moves }
}

/// Ranks the categories of the history by the number of its products in them, then by the most recent view, then by the
/// category's key; takes the first `categories_max`; and merges their lists by buyers, then by the product's key.
fn of_categories(view: &ReadView<'_>, history: &[(Viewed, Diff)], categories_max: usize) -> Vec<Pick> {
    let mut picks: Vec<Pick> = Vec::new();
    for category in categories_of_history(view, history, categories_max) {
        picks.extend(list(view, ListId::Category(category)));
    }
    // A product of two categories is in both lists with the same number of buyers; it is shown once.
    picks.sort_by_key(|pick| pick.seller);
    picks.dedup_by_key(|pick| pick.seller.product);
    picks
}

impl ReadView<'_> {
    /// The best sellers of the categories of these views, which are newest first: by buyers, each product once. The
    /// same as [`ReadView::recommendations`] for a user with this history, without its length and without the general
    /// best sellers.
    #[must_use]
    pub fn best_sellers_for_you(&self, history: &[(Viewed, Diff)]) -> Vec<Pick> {
        of_categories(self, history, self.rules().categories_max)
    }

    /// A best-seller list.
    #[must_use]
    pub fn best_sellers(&self, ranking: ListId) -> Vec<Pick> {
        list(self, ranking).collect()
    }
}

fn list(view: &ReadView<'_>, ranking: ListId) -> impl Iterator<Item = Pick> {
    let mut rows: Vec<(Seller, Diff)> = Vec::new();
    view.rows::<BestSellers>(&ranking, &mut rows);
    rows.into_iter().enumerate().map(move |(place, (seller, _))| Pick { seller, ranking, rank: place + 1 })
}

fn categories_of_history(view: &ReadView<'_>, history: &[(Viewed, Diff)], most: usize) -> Vec<CategoryKey> {
    let mut of_product = Vec::new();
    // The number of products, and the position of the most recent product; the history is newest first.
    let mut found: Vec<(CategoryKey, usize, usize)> = Vec::new();
    for (place, (viewed, _)) in history.iter().enumerate() {
        view.categories_of(viewed.product, &mut of_product);
        for (category, _) in &of_product {
            match found.iter_mut().find(|(known, ..)| known == category) {
                Some((_, products, _)) => *products += 1,
                None => found.push((*category, 1, place)),
            }
        }
    }
    let latest = |place: usize| history[place].0.at();
    found.sort_by(|a, b| b.1.cmp(&a.1).then(latest(b.2).cmp(&latest(a.2))).then(a.0.cmp(&b.0)));
    found.into_iter().take(most).map(|(category, ..)| category).collect()
}

/// The products of a list of picks, in its order.
impl Recommendations {
    /// The products, best first.
    pub fn products(&self) -> impl Iterator<Item = ProductKey> + '_ {
        self.picks.iter().map(|pick| pick.seller.product)
    }
}
