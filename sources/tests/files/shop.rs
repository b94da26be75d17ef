//! A running engine over the files of a temporary directory.

use std::fs::{self, File};
use std::io::Write;
use std::ops::Deref;
use std::path::PathBuf;

use dataflow::feed::Position;
use dataflow::graph::History;
use dataflow::rules::{DAY_MS, Rules};
use dataflow::time::{Millis, ServiceClock};
use sources::files::{Settings, Source};
use tempfile::TempDir;

use crate::running::{Running, SOON};

pub(crate) const ORDERS: &str = "order_id,user_id,product_id,quantity,created_at\n";
pub(crate) const CATALOGUE: &str = "product_id,product_name,category,price,description,attributes\n";

/// A directory with files, before or while they are read.
pub(crate) struct Dir(TempDir);

impl Dir {
    pub(crate) fn new() -> Dir {
        Dir(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// Adds to the end of a file, which is made if need be.
    pub(crate) fn append(&self, file: &str, text: impl AsRef<[u8]>) {
        let mut file = File::options().create(true).append(true).open(self.path(file)).unwrap();
        file.write_all(text.as_ref()).unwrap();
    }

    /// Puts another file in its place, as an editor does.
    pub(crate) fn replace(&self, file: &str, text: impl AsRef<[u8]>) {
        harness::replace_file(self.path(file), text);
    }

    /// Writes it anew in place, as a shell does.
    pub(crate) fn rewrite(&self, file: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(file), text).unwrap();
    }

    pub(crate) fn shop(&self) -> Shop {
        self.shop_of(1)
    }

    pub(crate) fn shop_of(&self, workers: usize) -> Shop {
        self.shop_by(Rules { history_ms: Millis::MAX, ..Rules::default() }, workers)
    }

    pub(crate) fn shop_by(&self, rules: Rules, workers: usize) -> Shop {
        let settings = Settings::new(self.0.path(), rules.orders_kept_ms());
        Shop(Running::by(rules, workers, |clock, status, letters| {
            let source = Source::new(settings, clock, status, letters);
            Box::new(move |worker| source.open(worker))
        }))
    }
}

pub(crate) fn view(user: &str, product: &str, at: Millis) -> String {
    events::view_json(user, product, at, "m", "test") + "\n"
}

pub(crate) fn removal(user: &str, product: &str, at: Millis) -> String {
    events::removal_json(user, product, at, "m") + "\n"
}

/// A view that states no time.
pub(crate) fn timeless(user: &str, product: &str) -> String {
    format!("{{\"event\":\"ProductView\",\"userid\":\"{user}\",\"properties\":{{\"productid\":\"{product}\"}}}}\n")
}

pub(crate) struct Shop(Running);

impl Shop {
    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// A line of the orders, of an order that many days ago.
    pub(crate) fn order(&self, order: &str, user: &str, product: &str, days: u64) -> String {
        format!("{order},{user},{product},1,{}\n", self.now() - days * DAY_MS)
    }

    pub(crate) fn history(&self, user: &str) -> Vec<String> {
        self.viewed(user).into_iter().map(|(product, _)| product).collect()
    }

    /// Products with the times of their last views, newest first.
    pub(crate) fn viewed(&self, user: &str) -> Vec<(String, Millis)> {
        self.ask(|reader| {
            let user = reader.dictionary().user(user);
            let mut rows = Vec::new();
            reader.view(user).rows::<History>(&user, &mut rows);
            let name = |product| reader.dictionary().product_name(product).unwrap().to_string();
            rows.into_iter().map(|(viewed, _)| (name(viewed.product), viewed.at())).collect()
        })
    }

    #[track_caller]
    pub(crate) fn expect_history(&self, user: &str, products: &[&str]) {
        harness::wait_until(SOON, &format!("the history of {user} is {products:?}"), || {
            self.history(user).iter().map(String::as_str).eq(products.iter().copied())
        });
    }

    /// Waits until everything before that byte of the file is visible.
    #[track_caller]
    pub(crate) fn covers(&self, file: &str, next: usize) {
        let wanted = Position::new(file, 0, i64::try_from(next).unwrap());
        harness::wait_until(SOON, &format!("{file} is read up to {next}"), || {
            self.ask(|reader| reader.snapshots().covers(&wanted))
        });
    }
}

impl Deref for Shop {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.0
    }
}
