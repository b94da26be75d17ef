//! Users of another process of the cluster: asked of it, and counted.

use std::net::TcpListener;

use crate::shop::{Shop, loopback, now_ms, viewed};

/// Requests that were passed on, and those that failed for `reason`.
fn counts(shop: &Shop, reason: &str) -> (u64, u64) {
    let answer = shop.get("/metrics");
    let text = answer.text();
    let count = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} is missing from\n{text}")).trim().parse().unwrap()
    };
    let failures = format!("vitrine_forwarding_failures_total{{reason=\"{reason}\"}}");
    (count("vitrine_forwarded_requests_total"), count(&failures))
}

#[test]
fn what_is_passed_on_is_answered_and_counted() {
    let listeners = [loopback(), loopback()];
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let [one, other] = listeners;
    let (one, other) = (Shop::beside(0, one, addresses), Shop::beside(1, other, addresses));
    let user = one.stranger();
    other.happened([viewed(&user, "lamp", now_ms())]);
    assert_eq!(one.get(&format!("/v1/users/{user}/history")).products(), ["lamp"]);
    assert_eq!(counts(&one, "unreachable"), (1, 0));
    assert_eq!(counts(&other, "unreachable"), (0, 0), "it was asked, and passed nothing on");
    assert!(!one.get("/metrics").text().contains(&user));
}

#[test]
fn what_comes_to_nothing_is_counted_by_its_reason() {
    let (own, gone) = (loopback(), loopback());
    let addresses = [own.local_addr().unwrap(), gone.local_addr().unwrap()];
    drop(gone);
    let shop = Shop::beside(0, own, addresses);
    let path = format!("/v1/users/{}/history", shop.stranger());
    shop.get(&path).assert_problem(503, "owner-away");
    assert_eq!(counts(&shop, "unreachable"), (1, 1));
    let rude = TcpListener::bind(addresses[1]).unwrap();
    let hang_up = std::thread::spawn(move || drop(rude.accept()));
    shop.get(&path).assert_problem(503, "owner-away");
    hang_up.join().unwrap();
    assert_eq!(counts(&shop, "broken"), (2, 1));
    let alone = Shop::open().get("/metrics");
    assert!(!alone.text().contains("vitrine_forward"), "alone nothing can be passed on");
}
