//! The names of the categories that have best sellers, kept for a second.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dataflow::index_reader::IndexReader;

/// The most names that are listed.
const NAMES_MAX: usize = 50;

/// Listing the names reads every best-seller list: it is done at most this often, outside the serving threads.
const EVERY: Duration = Duration::from_secs(1);

/// The names as they were last listed.
#[derive(Debug, Default)]
pub(crate) struct Categories(Mutex<Listed>);

#[derive(Clone, Debug, Default)]
struct Listed {
    at: Option<Instant>,
    names: Arc<[String]>,
}

impl Categories {
    /// The names, at most a second old.
    pub(crate) async fn names(&self, reader: &IndexReader) -> Arc<[String]> {
        let known = self.0.lock().expect("no holder of this lock can panic").clone();
        if known.at.is_some_and(|at| at.elapsed() < EVERY) {
            return known.names;
        }
        let reader = reader.clone();
        let Ok(names) = tokio::task::spawn_blocking(move || list(&reader)).await else { return known.names };
        let listed = Listed { at: Some(Instant::now()), names };
        *self.0.lock().expect("no holder of this lock can panic") = listed.clone();
        listed.names
    }
}

fn list(reader: &IndexReader) -> Arc<[String]> {
    let keys = reader.view_any().selling_categories();
    let names = keys.into_iter().filter_map(|key| reader.dictionary().category_name(key));
    let mut names: Vec<String> = names.take(NAMES_MAX).map(|name| name.to_string()).collect();
    names.sort_unstable();
    names.into()
}
