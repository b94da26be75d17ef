//! Content vectors of the shop's products: from their descriptions to vectors by the keys of the graph.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use dataflow::dictionary::{Dictionary, KeptProducts};
use dataflow::ids::ProductKey;
use models::content::{Content, ContentSettings, Described, Embeddings, Texts, VectorKind};
use query_server::RefusedProduct;
use sources::description::{Description, DescriptionColumns, DescriptionsError, Reading};
use sources::descriptions::{DescriptionHome, DescriptionReader};
use store::Follow;

use crate::config::Config;
use crate::system::sources::of_postgres;

/// Refused products that are named.
const REFUSED_MAX: usize = 20;

/// Where the products of this configuration are; `None` if it reads no products.
#[must_use]
pub fn descriptions(config: &Config, store: Option<Arc<dyn Follow>>) -> Option<DescriptionHome> {
    if let Some(store) = store {
        return Some(DescriptionHome::Store(store));
    }
    if let Some(postgres) = &config.postgres {
        return Some(DescriptionHome::Postgres(Box::new(of_postgres(postgres, config))));
    }
    config.files.as_ref().map(|files| DescriptionHome::Files(files.dir.clone()))
}

/// Makes the vectors, again and again.
pub struct ContentMaker {
    reader: DescriptionReader,
    settings: ContentSettings,
    dictionary: Arc<Dictionary>,
}

/// Vectors, and what was read for them.
pub struct MadeContent {
    /// The vectors.
    pub vectors: Content<ProductKey>,
    /// Products that the shop describes.
    pub products: u64,
    /// Products beyond the limit.
    pub left_out: u64,
    /// Products whose embedding cannot be used.
    pub refused: u64,
    /// The first of them.
    pub refused_products: Vec<RefusedProduct>,
    /// Columns of the settings that the table does not have.
    pub missing_columns: Vec<String>,
    /// The products with vectors: their ids stay known while this is there.
    pub kept: KeptProducts,
}

impl ContentMaker {
    /// Reads the columns that these settings need.
    ///
    /// # Errors
    /// When the settings of the database cannot work.
    pub fn new(
        home: DescriptionHome,
        settings: ContentSettings,
        dictionary: Arc<Dictionary>,
    ) -> Result<ContentMaker, DescriptionsError> {
        let columns = match settings.vectors {
            VectorKind::Text => DescriptionColumns {
                name: settings.name.clone(),
                description: settings.description.clone(),
                attributes: settings.attributes.clone(),
                embedding: None,
            },
            VectorKind::Embedding => {
                DescriptionColumns { embedding: settings.embedding.clone(), ..DescriptionColumns::default() }
            }
        };
        Ok(ContentMaker { reader: DescriptionReader::new(home, columns)?, settings, dictionary })
    }

    /// The vectors of all products; `None` if no product has changed since the last call, or if `go_on` ended the reading.
    ///
    /// # Errors
    /// When the products cannot be read.
    pub fn make(&mut self, go_on: impl Fn() -> bool) -> Result<Option<MadeContent>, DescriptionsError> {
        let _held = self.dictionary.hold();
        let mut rows = Rows::new(&self.settings, &self.dictionary);
        let reading = self.reader.read(&mut |described| {
            rows.add(described);
            if go_on() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(match reading {
            Reading::Unchanged | Reading::Ended => None,
            Reading::Whole { missing } => Some(rows.made(missing)),
        })
    }
}

/// The rows of the vectors, while products are read.
struct Rows<'a> {
    settings: &'a ContentSettings,
    dictionary: &'a Dictionary,
    seen: HashSet<ProductKey>,
    keys: Vec<ProductKey>,
    texts: Texts,
    embeddings: Embeddings,
    left_out: u64,
    refused: u64,
    refused_products: Vec<RefusedProduct>,
}

impl<'a> Rows<'a> {
    fn new(settings: &'a ContentSettings, dictionary: &'a Dictionary) -> Rows<'a> {
        Rows {
            settings,
            dictionary,
            seen: HashSet::new(),
            keys: Vec::new(),
            texts: Texts::default(),
            embeddings: Embeddings::default(),
            left_out: 0,
            refused: 0,
            refused_products: Vec::new(),
        }
    }

    /// Adds a product; of several rows of a product the first one counts.
    fn add(&mut self, described: Description) {
        let product = match self.dictionary.product(&described.product) {
            Ok(product) => product,
            Err(collision) => return self.refuse(described.product, collision.to_string()),
        };
        if self.seen.len() >= self.settings.products_max && !self.seen.contains(&product) {
            self.left_out += 1;
            return;
        }
        if !self.seen.insert(product) {
            return;
        }
        match self.settings.vectors {
            VectorKind::Text => {
                let Description { name, description, category, attributes, .. } = &described;
                self.texts.add(&Described { name, description, category, attributes });
                self.keys.push(product);
            }
            VectorKind::Embedding => match described.embedding {
                None => {}
                Some(Ok(embedding)) => {
                    self.embeddings.add(embedding);
                    self.keys.push(product);
                }
                Some(Err(error)) => self.refuse(described.product, error.to_string()),
            },
        }
    }

    fn refuse(&mut self, product: String, reason: String) {
        tracing::debug!(product, reason, "a product has no content vector");
        self.refused += 1;
        if self.refused_products.len() < REFUSED_MAX {
            self.refused_products.push(RefusedProduct { product, reason });
        }
    }

    fn made(mut self, missing_columns: Vec<String>) -> MadeContent {
        let vectors = match self.settings.vectors {
            VectorKind::Text => self.texts.vectors(self.settings.dimension),
            VectorKind::Embedding => {
                let (vectors, refused) = std::mem::take(&mut self.embeddings).vectors();
                for refused in refused {
                    let mut product = String::new();
                    self.dictionary.product_names([self.keys[refused.row]], |_, name| name.clone_into(&mut product));
                    self.refuse(product, refused.reason.to_string());
                }
                vectors
            }
        };
        MadeContent {
            kept: self.dictionary.keep_products(self.keys.clone()),
            vectors: Content::new(vectors, self.keys, self.settings.cosine_min()),
            products: self.seen.len() as u64 + self.left_out,
            left_out: self.left_out,
            refused: self.refused,
            refused_products: self.refused_products,
            missing_columns,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use dataflow::ids::Ids;

    use super::*;

    fn maker(csv: &str, settings: ContentSettings) -> (tempfile::TempDir, ContentMaker, Arc<Dictionary>) {
        let dir = tempfile::tempdir().expect("a directory can be made");
        fs::write(dir.path().join("product_catalog.csv"), csv).expect("the file can be written");
        let dictionary = Arc::new(Dictionary::new(Ids::new([7; 16])));
        let home = DescriptionHome::Files(dir.path().to_owned());
        let maker = ContentMaker::new(home, settings, dictionary.clone()).expect("files need no connection");
        (dir, maker, dictionary)
    }

    fn similar(made: &MadeContent, dictionary: &Dictionary, product: &str) -> Vec<String> {
        let key = dictionary.product(product).expect("no collision");
        let mut names = Vec::new();
        for (product, _) in made.vectors.similar(key, 9, |_| false) {
            dictionary.product_names([product], |_, name| names.push(name.to_owned()));
        }
        names
    }

    #[test]
    fn embeddings_that_cannot_be_used_are_named_and_the_others_count() {
        let csv = "product_id,embedding\na,\"[1,0]\"\nb,\"[9,1]\"\nc,\"[1]\"\nd,\"[1,NaN]\"\ne,red\nf,\ng,\"[0,0]\"\n";
        let settings = ContentSettings { vectors: VectorKind::Embedding, ..ContentSettings::default() };
        let (_dir, mut maker, dictionary) = maker(csv, settings);
        let made = maker.make(|| true).expect("the file can be read").expect("it was not read before");
        assert_eq!((made.products, made.refused, made.left_out), (7, 4, 0));
        let refused: Vec<(&str, &str)> =
            made.refused_products.iter().map(|row| (row.product.as_str(), row.reason.as_str())).collect();
        assert_eq!(
            refused,
            [
                ("e", "its embedding is no list of numbers such as [0.1, -0.2]"),
                ("c", "its embedding has 1 numbers, and most have 2"),
                ("d", "number 2 of its embedding is not finite"),
                ("g", "all numbers of its embedding are 0"),
            ]
        );
        assert_eq!(similar(&made, &dictionary, "a"), ["b"]);
        assert!(maker.make(|| true).expect("the file can be read").is_none(), "nothing has changed");
    }

    #[test]
    fn texts_make_vectors_up_to_the_limit_and_an_ended_reading_makes_none() {
        let csv = "product_id,product_name,category\na,red mug,cups\na,other,cups\nb,blue mug,cups\nc,oak table,tables\nd,red mug,cups\n";
        let settings = ContentSettings { products_max: 3, ..ContentSettings::default() };
        let (_dir, mut maker, dictionary) = maker(csv, settings);
        assert!(maker.make(|| false).expect("the file can be read").is_none());
        let made = maker.make(|| true).expect("the file can be read").expect("the first reading was ended");
        assert_eq!((made.products, made.left_out, made.vectors.with_vector()), (4, 1, 3));
        assert_eq!(made.missing_columns, ["description", "attributes"]);
        assert_eq!(similar(&made, &dictionary, "a"), ["b"]);
    }
}
