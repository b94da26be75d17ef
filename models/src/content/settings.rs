//! `[models.content]`: where content vectors come from, and how they are used.

use std::time::Duration;

use settings::{Kind, Value, seconds, whole};

settings::choice! {
    /// What content vectors are made from.
    pub enum VectorKind {
        /// Name, description, category and attributes.
        Text = "text",
        /// The embeddings that the shop gives.
        Embedding = "embedding",
    }
}

const COLUMN_OR_NONE: Kind = Kind::Text { allowed: "a column's name, or \"\" for none", takes: is_column_or_none };

settings::section! {
    /// Content vectors: products that are alike by their texts, or by embeddings of the shop. They fill the list of similar
    /// products of a product that few people have viewed, and are the source "content" of recommendations.
    /// docs/models.md explains them.
    pub struct ContentSettings in "models.content" {
        /// Whether content vectors are made and used. While this is off it costs nothing.
        enabled: bool = "off", "word", Kind::Choice(&["off", "on"]) => |word: &Value| word.text() == "on";
        /// What the vectors are made from. "text": name, description, category and attributes. "embedding": the
        /// embedding that the shop gives each product.
        vectors: VectorKind = "text", "word", Kind::Choice(VectorKind::WORDS);
        /// Length of vectors made from texts. More numbers tell more products apart, and take memory and time.
        dimension: usize = 128, "numbers", whole(8, 4096);
        /// Products with a smaller cosine, in thousandths, are not similar.
        cosine_min_milli as "cosine_min": u64 = 100, "1/1000", whole(0, 999);
        /// Time between two readings of the products. Files and the store are only read again if they have changed.
        every as "every_s": Duration = 60, "s", whole(1, 31_536_000) => seconds;
        /// Limit of products with a vector. /v1/status says how many more there are.
        products_max: usize = 1_000_000, "products", whole(1, 100_000_000);
        /// Number of newest products of a history from which the source "content" recommends.
        newest: usize = 30, "products", whole(1, 1000);
        /// Column of the products' table, or of product_catalog.csv, with the product's name. A column that is not there
        /// counts as empty, and /v1/status names it.
        name as "name_column": Option<String> = "product_name", "column", COLUMN_OR_NONE => column;
        /// The same for the description.
        description as "description_column": Option<String> = "description", "column", COLUMN_OR_NONE => column;
        /// The same for the attributes: JSON, or a text such as "colour=red, size=42".
        attributes as "attributes_column": Option<String> = "attributes", "column", COLUMN_OR_NONE => column;
        /// The same for the embedding: an array of numbers, or a text such as "[0.1, -0.2]".
        embedding as "embedding_column": Option<String> = "embedding", "column", COLUMN_OR_NONE => column;
    }
}

impl ContentSettings {
    /// The cosine above which products are similar.
    #[must_use]
    pub fn cosine_min(&self) -> f32 {
        self.cosine_min_milli as f32 / 1000.0
    }
}

fn is_column_or_none(text: &str) -> bool {
    /// The longest name of a column in PostgreSQL, in bytes.
    const BYTES_MAX: usize = 63;
    text.len() <= BYTES_MAX && !text.chars().any(char::is_control)
}

fn column(value: &Value) -> Option<String> {
    Some(value.text().to_owned()).filter(|name| !name.is_empty())
}
