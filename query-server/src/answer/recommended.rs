//! Lists of recommendations and of similar products.
//!
//! ```json
//! {"user-id":"user-120","products":["product-393"],"type":"personalized","as_of":"2026-11-20T10:15:00.120Z",
//!  "answer_id":"kT3Zr0rXQZC2iFz1kqf0Zg"}
//! ```
//! `user-id` or `product-id` only where the list is that of a user or a product; with `explain`, the rows behind each
//! product in `explain`, and the merchandising rules that changed the list in `rules`. A product that only a rule puts there
//! has the source `rule`.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::graph::{BestSellers, ListId};
use dataflow::ids::{ProductKey, UserKey};
use dataflow::index_reader::{Because, Kind, Pick, Repeat, WideView};
use dataflow::merchandising::{Arranged, Move};
use recommend::{Answered, Online, Reason, Recommended, ShownRow, SimilarProduct, SimilarReason, SourceName, Variant};

use super::json::{comma, decimal, number, string};
use super::moves::moves;
use super::names::NameCache;
use super::row::row_columns;
use crate::answer_ids::AnswerId;

/// Whose list it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    User(&'a str),
    Product(&'a str),
    /// A visitor who is not known.
    Visitor,
}

/// What follows the products and the type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending<'a> {
    /// Nothing: the shape that other shops already use.
    Legacy,
    /// `as_of` and `answer_id`.
    Whole { as_of: &'a str, id: AnswerId },
}

/// A list to be written.
pub(crate) struct Page<'a, R> {
    pub(crate) subject: Subject<'a>,
    pub(crate) rows: &'a [R],
    /// The changes that merchandising rules made.
    pub(crate) moves: &'a [Move],
    pub(crate) kind: Kind,
    pub(crate) ending: Ending<'a>,
}

/// A row of a list: its product, and the rows behind it.
pub(crate) trait ListRow {
    fn product(&self) -> ProductKey;

    /// The row as it is counted; none for a product that only a rule puts there.
    fn shown(&self) -> Option<ShownRow>;

    /// Writes why the product is in the list, each value as `,"name":value`.
    fn explain(&self, out: &mut Vec<u8>, view: &WideView<'_>, dictionary: &Dictionary);
}

impl<R: ListRow> Page<'_, R> {
    /// Writes the list, with the rows behind the products if there is a view to read them from.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        (names, dictionary): (&mut NameCache, &Dictionary),
        explain: Option<&WideView<'_>>,
    ) {
        self.open(out);
        names.list(out, dictionary, self.rows, R::product, b"", |_, _, _| {});
        out.extend_from_slice(match self.kind {
            Kind::Personalized => b"],\"type\":\"personalized\"",
            Kind::NonPersonalized => b"],\"type\":\"non-personalized\"",
        });
        if let Ending::Whole { as_of, id } = self.ending {
            out.extend_from_slice(b",\"as_of\":");
            string(out, as_of);
            out.extend_from_slice(b",\"answer_id\":");
            string(out, id.text());
        }
        if let (Ending::Whole { .. }, Some(view)) = (self.ending, explain) {
            out.extend_from_slice(b",\"explain\":[");
            names.list(out, dictionary, self.rows, R::product, b"{\"product\":", |out, _, row| {
                row.explain(out, view, dictionary);
                out.push(b'}');
            });
            out.push(b']');
            moves(out, self.moves, dictionary);
        }
        out.push(b'}');
    }

    /// Counts the answer as shown to a person in this variant.
    pub(crate) fn count(&self, online: &Online, user: Option<UserKey>, variant: Variant) {
        let rows: Vec<ShownRow> = self.rows.iter().filter_map(R::shown).collect();
        let id = match &self.ending {
            Ending::Legacy => "",
            Ending::Whole { id, .. } => id.text(),
        };
        online.shown(&Answered { id, user, variant, rows: &rows });
    }

    fn open(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        let subject = match self.subject {
            Subject::User(user) => Some((b"\"user-id\":".as_slice(), user)),
            Subject::Product(product) => Some((b"\"product-id\":".as_slice(), product)),
            Subject::Visitor => None,
        };
        if let Some((name, id)) = subject {
            out.extend_from_slice(name);
            string(out, id);
        }
        comma(out);
        out.extend_from_slice(b"\"products\":[");
    }
}

impl<R: ListRow> ListRow for Arranged<R> {
    fn product(&self) -> ProductKey {
        match self {
            Arranged::Own(row) => row.product(),
            Arranged::Pinned(product) => *product,
        }
    }

    fn shown(&self) -> Option<ShownRow> {
        match self {
            Arranged::Own(row) => row.shown(),
            Arranged::Pinned(_) => None,
        }
    }

    fn explain(&self, out: &mut Vec<u8>, view: &WideView<'_>, dictionary: &Dictionary) {
        match self {
            Arranged::Own(row) => row.explain(out, view, dictionary),
            Arranged::Pinned(_) => out.extend_from_slice(b",\"source\":\"rule\""),
        }
    }
}

impl ListRow for SimilarProduct {
    fn product(&self) -> ProductKey {
        self.product
    }

    fn shown(&self) -> Option<ShownRow> {
        Some(ShownRow { product: self.product, source: self.reason.source(), model: 0 })
    }

    fn explain(&self, out: &mut Vec<u8>, view: &WideView<'_>, _: &Dictionary) {
        source(out, self.reason.source());
        match self.reason {
            SimilarReason::CoViewed { weight } => {
                count(out, "weight", weight);
                count(out, "viewers", view.viewers(self.product));
            }
            SimilarReason::Alike { cosine } => similarity(out, cosine),
        }
    }
}

impl ListRow for Repeat {
    fn product(&self) -> ProductKey {
        self.product
    }

    fn shown(&self) -> Option<ShownRow> {
        Some(ShownRow { product: self.product, source: SourceName::BuyAgain, model: 0 })
    }

    fn explain(&self, out: &mut Vec<u8>, _: &WideView<'_>, _: &Dictionary) {
        source(out, SourceName::BuyAgain);
        bought(out, self);
    }
}

impl ListRow for Recommended {
    fn product(&self) -> ProductKey {
        self.product
    }

    fn shown(&self) -> Option<ShownRow> {
        Some(Recommended::shown(self))
    }

    fn explain(&self, out: &mut Vec<u8>, view: &WideView<'_>, dictionary: &Dictionary) {
        source(out, self.source);
        match &self.reason {
            Reason::CoViewed { score, because } => {
                count(out, "score", *score);
                count(out, "viewers", view.viewers(self.product));
                views(out, because, view, dictionary);
            }
            Reason::Bought(repeat) => bought(out, repeat),
            Reason::Factors { score, version } => {
                out.extend_from_slice(b",\"fit\":");
                decimal(out, *score);
                count(out, "model_version", *version);
            }
            Reason::Alike { cosine } => similarity(out, *cosine),
            Reason::BestSeller(pick) => best_seller(out, pick, dictionary),
        }
    }
}

/// How alike two products are by their content vectors.
fn similarity(out: &mut Vec<u8>, cosine: f32) {
    out.extend_from_slice(b",\"similarity\":");
    decimal(out, cosine);
}

/// How often and when a product was bought.
fn bought(out: &mut Vec<u8>, repeat: &Repeat) {
    count(out, "score", repeat.score);
    count(out, "orders", repeat.orders as u64);
    count(out, "orders_ago", repeat.last as u64);
}

/// The products viewed that a recommended product is similar to.
fn views(out: &mut Vec<u8>, because: &[Because], view: &WideView<'_>, dictionary: &Dictionary) {
    out.extend_from_slice(b",\"views\":[");
    for Because { product, place, weight } in because {
        let before = out.len();
        comma(out);
        out.extend_from_slice(b"{\"product\":");
        let mut is_named = false;
        dictionary.product_names([*product], |_, name| {
            is_named = true;
            string(out, name);
        });
        if !is_named {
            out.truncate(before);
            continue;
        }
        count(out, "place", *place as u64 + 1);
        count(out, "weight", u64::from(weight.unsigned_abs()));
        count(out, "viewers", view.viewers(*product));
        out.push(b'}');
    }
    out.push(b']');
}

/// The best-seller list that a product is in, its buyers and its rank there.
pub(super) fn best_seller(out: &mut Vec<u8>, pick: &Pick, dictionary: &Dictionary) {
    out.extend_from_slice(b",\"category\":");
    match category(dictionary, pick.ranking) {
        Some(name) => string(out, &name),
        None => out.extend_from_slice(b"null"),
    }
    row_columns::<BestSellers>(out, &pick.seller);
    count(out, "rank", pick.rank as u64);
}

fn category(dictionary: &Dictionary, ranking: ListId) -> Option<Arc<str>> {
    match ranking {
        ListId::General => None,
        ListId::Category(category) => dictionary.category_name(category),
    }
}

fn source(out: &mut Vec<u8>, source: SourceName) {
    out.extend_from_slice(b",\"source\":");
    string(out, source.word());
}

fn count(out: &mut Vec<u8>, name: &str, value: u64) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    number(out, value);
}
