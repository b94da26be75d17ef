//! What the tests of topics ask a running engine, and the views that they write.

use std::collections::BTreeSet;

use dataflow::feed::Position;
use dataflow::graph::History;
use harness::wait_until;

use crate::shop::{SOON, Shop};

impl Shop {
    /// The products in a user's history.
    pub(crate) fn viewed(&self, user: &str) -> BTreeSet<String> {
        let reader = self.engine.reader();
        let user = reader.dictionary().user(user);
        let mut rows = Vec::new();
        reader.view(user).rows::<History>(&user, &mut rows);
        let name = |product| reader.dictionary().product_name(product).unwrap().to_string();
        rows.into_iter().map(|(viewed, _)| name(viewed.product)).collect()
    }

    #[track_caller]
    pub(crate) fn wait_viewed(&self, user: &str, products: impl IntoIterator<Item = String>) {
        let products: BTreeSet<String> = products.into_iter().collect();
        let what = format!("{user} has viewed {products:?}");
        wait_until(SOON, &what, || self.viewed(user) == products);
    }

    /// The positions after everything fed by now.
    pub(crate) fn positions(&self) -> Vec<Position> {
        let cut = self.engine.cuts().unwrap().take(SOON).expect("ticks close");
        cut.parts.iter().flat_map(|part| part.positions.iter().cloned()).collect()
    }
}

/// A view of the present.
pub(crate) fn view(user: &str, product: &str) -> String {
    format!(r#"{{"event":"ProductView","userid":"{user}","properties":{{"productid":"{product}"}}}}"#)
}

/// `count` products whose names begin with `prefix`.
pub(crate) fn products(prefix: &str, count: usize) -> impl Iterator<Item = String> + Clone + use<> {
    let prefix = prefix.to_owned();
    (0..count).map(move |number| format!("{prefix}-{number}"))
}
