//! A source of recommended products: the question it gets, and the products it answers with.

use dataflow::ids::{CategoryKey, ProductKey, UserKey};
use dataflow::index_reader::{Because, Pick, Repeat, WideView};

use crate::online::ShownRow;
use crate::source_name::SourceName;
use crate::workspace::Workspace;

/// What a list is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The user; `None` for a visitor who is not known. The view must have been taken for this user.
    pub user: Option<UserKey>,
    /// The products viewed, newest first, each once. They are not recommended, unless the user bought them before.
    pub viewed: &'a [ProductKey],
    /// More products that are not wanted.
    pub exclude: &'a [ProductKey],
    /// If given, only products of this category are wanted.
    pub category: Option<CategoryKey>,
    /// The number of products wanted.
    pub size: usize,
}

impl Asked<'_> {
    /// The rule by which the list may have a product: it has a key, it was not viewed, it is not excluded, it is of the
    /// category, and the rules let it be shown. Made once for all products of a list.
    pub fn admits(&self, view: &WideView<'_>) -> impl Fn(ProductKey) -> bool {
        let mut left_out: Vec<ProductKey> = self.viewed.iter().chain(self.exclude).copied().collect();
        left_out.sort_unstable();
        move |product| {
            product != ProductKey::NONE
                && left_out.binary_search(&product).is_err()
                && self.is_of_category(view, product)
                && view.may_show(product)
        }
    }

    /// Whether a product is of the category asked for, if there is one.
    #[must_use]
    pub fn is_of_category(&self, view: &WideView<'_>, product: ProductKey) -> bool {
        let Some(category) = self.category else { return true };
        let mut rows = Vec::new();
        view.categories_of(product, &mut rows);
        rows.iter().any(|(row, _)| *row == category)
    }
}

/// A source of recommended products.
pub trait Source: Send + Sync {
    /// Its name.
    fn name(&self) -> SourceName;

    /// Its best products, best first, each once, at most `asked.size`: only products that `asked` admits, or that the user
    /// bought before.
    fn recommend(&self, view: &WideView<'_>, asked: &Asked<'_>, workspace: &mut Workspace) -> Vec<Recommended>;
}

/// A recommended product, and why it is recommended.
#[derive(Clone, Debug, PartialEq)]
pub struct Recommended {
    /// The product.
    pub product: ProductKey,
    /// The source that recommends it.
    pub source: SourceName,
    /// The rows that the source found.
    pub reason: Reason,
}

/// The rows behind a recommended product.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// It is similar to products viewed.
    CoViewed {
        /// The score among the candidates.
        score: u64,
        /// The products viewed that it is similar to, newest first.
        because: Vec<Because>,
    },
    /// The user bought it before.
    Bought(Repeat),
    /// Its factors fit the products viewed.
    Factors {
        /// The inner product of its factors and those of the history: finite and above 0.
        score: f32,
        /// The version of the model.
        version: u64,
    },
    /// It is like the products viewed, by its texts or its embedding.
    Alike {
        /// The cosine of its vector with the weighted sum of those of the products viewed.
        cosine: f32,
    },
    /// It is a best seller.
    BestSeller(Pick),
}

impl Recommended {
    /// The row of an answer, as it is counted.
    #[must_use]
    pub fn shown(&self) -> ShownRow {
        let model = match self.reason {
            Reason::Factors { version, .. } => version,
            _ => 0,
        };
        ShownRow { product: self.product, source: self.source, model }
    }
}

/// Whether a list depends on the person who asks: a product of it comes from a personal source.
#[must_use]
pub fn is_personal<'a>(list: impl IntoIterator<Item = &'a Recommended>) -> bool {
    list.into_iter().any(|recommended| recommended.source != SourceName::BestSellers)
}
