//! A crowd: views, removals and orders, each from a thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use harness::http;
use serde_json::Value;
use vitrine::clock::wall_ms;
use vitrine::generate::View;

use super::TOPIC;
use super::orders::CrowdOrders;
use crate::context::Context;
use crate::product::Product;
use crate::shop::{PRODUCTS, shop};
use crate::steady::Steady;
use crate::topic::{self, PARTITIONS, Thorough};

/// Products that every user views in turn.
const PRODUCTS_PER_USER: u64 = 25;
const ROUNDS_PER_S: f64 = 100.0;
const REMOVALS_PER_S: f64 = 20.0;
const TRANSACTIONS_PER_S: f64 = 100.0;

/// Compressed, so that half an hour of views does not fill the disk.
const SETTINGS: [(&str, &str); 3] = [("acks", "1"), ("linger.ms", "5"), ("compression.type", "zstd")];

/// The contents of a crowd.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) pairs: u64,
    pub(super) orders: u64,
}

/// The running crowd; ended on drop.
pub(super) struct Crowd {
    size: Size,
    viewed: Arc<AtomicU64>,
    views_per_round: Arc<AtomicU64>,
    views: Steady,
    removals: Steady,
    orders: Steady,
}

impl Crowd {
    /// Starts a crowd whose orders have just been written.
    pub(super) fn start(
        context: &Context,
        product: &Product,
        url: &str,
        number: u32,
        size: Size,
    ) -> anyhow::Result<Crowd> {
        let users = Users::of(number, size);
        let (viewed, views_per_round) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let views = users.views(context.broker().bootstrap(), viewed.clone(), views_per_round.clone())?;
        Ok(Crowd {
            size,
            viewed,
            views_per_round,
            views: Steady::start(ROUNDS_PER_S, views),
            removals: Steady::start(REMOVALS_PER_S, users.removals(product.address())),
            orders: Steady::start(TRANSACTIONS_PER_S, CrowdOrders::new(number, size.orders).work(url)),
        })
    }

    /// Changes the number of views per second.
    pub(super) fn views_per_s(&self, views: f64) {
        self.views_per_round.store((views / ROUNDS_PER_S) as u64, Ordering::Relaxed);
    }

    /// Whether all pairs have been viewed.
    pub(super) fn is_warm(&self) -> bool {
        self.viewed.load(Ordering::Relaxed) >= self.size.pairs
    }

    /// Returns the error of a failed thread, if any.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        self.views.check().context("views")?;
        self.orders.check().context("orders")?;
        self.removals.check().context("removals")
    }

    /// Ends the crowd.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        self.views.stop().context("views")?;
        self.orders.stop().context("orders")?;
        self.removals.stop().context("removals")?;
        Ok(())
    }
}

/// The users of a crowd, by their numbers in the shop.
#[derive(Clone, Copy)]
struct Users {
    first: u32,
    count: u32,
}

impl Users {
    fn of(crowd: u32, size: Size) -> Users {
        let count = (size.pairs / PRODUCTS_PER_USER) as u32;
        Users { first: crowd * count, count }
    }

    /// One pair after the other, all users once and then all of them again with another product, without an end.
    fn pair(self, number: u64) -> (u32, u32) {
        let (user, round) = (number % u64::from(self.count), number / u64::from(self.count) % PRODUCTS_PER_USER);
        let product = (user * 7 + round * 1999) % u64::from(PRODUCTS);
        (self.first + user as u32, product as u32)
    }

    fn views(
        self,
        brokers: &str,
        viewed: Arc<AtomicU64>,
        views_per_round: Arc<AtomicU64>,
    ) -> anyhow::Result<impl FnMut(u64) -> anyhow::Result<()> + Send + use<>> {
        let producer = Thorough(topic::producer(brokers, &SETTINGS)?);
        let (shop, mut number) = (shop(0), 0);
        Ok(move |_| {
            for _ in 0..views_per_round.load(Ordering::Relaxed) {
                let (user, product) = self.pair(number);
                let view = View { user, product, at: wall_ms(), message: u128::from(number), source: "web" };
                topic::send(&producer.0, TOPIC, (number % PARTITIONS as u64) as i32, &view.json(&shop))?;
                number += 1;
            }
            producer.0.poll(Duration::ZERO);
            viewed.store(number, Ordering::Relaxed);
            Ok(())
        })
    }

    /// Removes the newest product of a random history, unless it is gone by then. If the server is too busy to show the
    /// removal in time, it tells the caller to ask again, and the removal still happens.
    fn removals(self, address: SocketAddr) -> impl FnMut(u64) -> anyhow::Result<()> + Send + use<> {
        let shop = shop(0);
        let mut rng = shop.rng(&format!("removals from {}", self.first));
        move |_| {
            let user = shop.user_id(self.first + rng.below(self.count));
            let url = format!("http://{address}/v1/users/{user}/history");
            let history: Value = serde_json::from_slice(&http::try_request("GET", &url, &[], b"")?.body)?;
            let Some(newest) = history["products"][0].as_str() else { return Ok(()) };
            let removed = http::try_request("DELETE", &format!("{url}/{newest}"), &[], b"")?;
            ensure!(
                [204, 404, 503].contains(&removed.status),
                "a removal was answered with {}: {}",
                removed.status,
                removed.text()
            );
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_crowd_views_all_its_pairs_and_then_the_same_again() {
        let size = Size { pairs: 5000, orders: 0 };
        let users = Users::of(1, size);
        let pairs: BTreeSet<_> = (0..size.pairs).map(|number| users.pair(number)).collect();
        assert_eq!(pairs.len(), 5000);
        assert!(pairs.iter().all(|(user, _)| (200..400).contains(user)));
        assert!((size.pairs..2 * size.pairs).all(|number| pairs.contains(&users.pair(number))));
    }
}
