//! One product of the catalogue, with the texts of its page in a shop.

use super::Shop;
use super::names::Style;
use super::rng::mix;

const COLOURS: &[&str] = &["natural", "white", "black", "sage", "sand", "rust", "indigo"];

/// A product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its category's id.
    pub category: String,
    /// Its price in hundredths.
    pub price_cents: u64,
    /// A sentence about it.
    pub description: String,
    /// Further properties, as a JSON object.
    pub attributes: String,
}

impl Product {
    /// The price as a decimal number.
    pub fn price(&self) -> String {
        format!("{}.{:02}", self.price_cents / 100, self.price_cents % 100)
    }
}

pub(super) fn product(shop: &Shop, product: u32) -> Product {
    let id = shop.product_id(product);
    let category = shop.category_id(shop.taste.place(product).0);
    let name = match shop.plan.style {
        Style::Numbered => format!("Product {}", product + 1),
        Style::Readable => sentence_case(&id.replace('-', " ")),
    };
    let chance = mix(shop.plan.seed ^ mix(u64::from(product)));
    let colour = COLOURS[(chance % COLOURS.len() as u64) as usize];
    let description = format!("{name}, from our range \"{category}\".");
    let attributes = format!(r#"{{"colour":"{colour}","weight_g":{}}}"#, 50 + (chance >> 32) % 5000);
    Product { id, name, category, price_cents: 190 + (chance >> 16) % 25_000, description, attributes }
}

fn sentence_case(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
