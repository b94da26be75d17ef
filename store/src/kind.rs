//! The kinds of rows, and the fields of each.

use crate::field::{Field, Shape};

/// The longest id, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 256;

/// The most lines of a purchase.
pub const LINES_MAX: usize = 1000;

const NAME_BYTES_MAX: usize = 1024;
const TEXT_BYTES_MAX: usize = 32_768;
const OBJECT_BYTES_MAX: usize = 32_768;
const NUMBERS_MAX: usize = 4096;
const EMAIL_BYTES_MAX: usize = 320;
const QUANTITY_MAX: i64 = 1_000_000;

/// A kind of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The products.
    Products,
    /// The categories, which form trees.
    Categories,
    /// The users.
    Users,
    /// The purchases, each with its lines.
    Purchases,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::Products, Kind::Categories, Kind::Users, Kind::Purchases];

    /// Its name in paths.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Products => "products",
            Kind::Categories => "categories",
            Kind::Users => "users",
            Kind::Purchases => "purchases",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name of one row.
    #[must_use]
    pub fn singular(self) -> &'static str {
        match self {
            Kind::Products => "product",
            Kind::Categories => "category",
            Kind::Users => "user",
            Kind::Purchases => "purchase",
        }
    }

    /// The field that holds the id; it is the first one.
    #[must_use]
    pub fn key(self) -> &'static str {
        self.fields()[0].name
    }

    /// The names of the columns of a table of these rows. A purchase has a record for each of its lines.
    #[must_use]
    pub fn columns(self) -> Vec<&'static str> {
        let own = self.fields().iter().filter(|field| field.name != "lines");
        let lines = if self == Kind::Purchases { LINE } else { &[] };
        own.chain(lines).map(|field| field.name).collect()
    }

    /// The fields of a row.
    #[must_use]
    pub fn fields(self) -> &'static [Field] {
        match self {
            Kind::Products => PRODUCT,
            Kind::Categories => CATEGORY,
            Kind::Users => USER,
            Kind::Purchases => PURCHASE,
        }
    }
}

const PRODUCT: &[Field] = &[
    Field::required("product_id", Shape::Id, "The product's id."),
    Field::optional("name", Shape::Text(NAME_BYTES_MAX), "The product's name."),
    Field::optional("category_id", Shape::Id, "The product's category. It is also in all ancestors of this category."),
    Field::optional("price", Shape::Price, "The price as a decimal text, such as \"12.50\"."),
    Field::optional("description", Shape::Text(TEXT_BYTES_MAX), "A text on the product."),
    Field::optional("attributes", Shape::Object(OBJECT_BYTES_MAX), "Anything else that the shop knows of the product."),
    Field::optional(
        "available",
        Shape::Truth,
        "Whether the product can be bought; true if absent. A product that cannot be bought is in no list of best sellers \
         and in no recommendations.",
    ),
    Field::optional("embedding", Shape::Numbers(NUMBERS_MAX), "A vector that describes the product."),
];

const CATEGORY: &[Field] = &[
    Field::required("category_id", Shape::Id, "The category's id."),
    Field::optional("name", Shape::Text(NAME_BYTES_MAX), "The category's name."),
    Field::optional("parent_id", Shape::Id, "The category that this one is a part of."),
];

const USER: &[Field] = &[
    Field::required("user_id", Shape::Id, "The user's id."),
    Field::optional("name", Shape::Text(NAME_BYTES_MAX), "The user's name."),
    Field::optional("email", Shape::Text(EMAIL_BYTES_MAX), "The user's address for e-mail."),
    Field::optional("demographics", Shape::Object(OBJECT_BYTES_MAX), "Anything else that the shop knows of the user."),
];

const PURCHASE: &[Field] = &[
    Field::required("purchase_id", Shape::Id, "The purchase's id."),
    Field::required("user_id", Shape::Id, "The user who bought."),
    Field::optional("created_at", Shape::Time, "When the purchase was made; now if absent."),
    Field::optional(
        "status",
        Shape::Word(&["placed", "cancelled"]),
        "A cancelled purchase counts in no list; placed if absent.",
    ),
    Field::required("lines", Shape::Rows(LINE, LINES_MAX), "The products bought."),
];

pub(crate) const LINE: &[Field] = &[
    Field::required("product_id", Shape::Id, "The product bought."),
    Field::optional("quantity", Shape::Whole(1, QUANTITY_MAX), "How many; 1 if absent."),
    Field::optional("price", Shape::Price, "The price of one, as a decimal text."),
    Field::optional(
        "returned",
        Shape::Truth,
        "Whether the line was returned; false if absent. A returned line counts in no list.",
    ),
];
