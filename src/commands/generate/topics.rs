//! Writes test data to Kafka: creates missing topics, and sends views to the first topic of views.

use crate::commands::broker::BrokerClient;
use crate::commands::progress;
use crate::config::Kafka;
use crate::generate::Shop;

/// Creates the topics and sends the plan's views, keyed by user.
pub(super) fn fill(shop: &Shop, kafka: &Kafka, partitions: i32) -> anyhow::Result<()> {
    let (broker, metadata) = BrokerClient::connect(kafka)?;
    for (topic, setting) in kafka.topics() {
        let made = broker.ensure_topic(&metadata, topic, partitions)?;
        println!("topic {topic} ({setting}): {}", if made { "created" } else { "exists" });
    }
    let topic = kafka.views.first().expect("the configuration has at least one topic of views");
    for view in progress::items("views", shop.plan().views).wrap_iter(shop.views()) {
        broker.send(topic, &shop.user_id(view.user), &view.json(shop))?;
    }
    broker.finish()?;
    println!("topic {topic}: {} views", shop.plan().views);
    Ok(())
}
