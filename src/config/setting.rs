//! The list of all settings: the sections that the crates declare, in the order of the example file.

use std::sync::LazyLock;

use ::dataflow::rules::{BuyAgain, CoViews, EventRules, Features, SessionRules, Shadow};
use settings::{Section, Setting};
use sinks::copies::{KafkaCopy, PostgresCopy};
use sources::postgres;

use super::{
    AlsSettings, Archive, Auth, Checkpoint, Cluster, ContentSettings, Dataflow, Files, Kafka, Log, OnlineSettings,
    Recommendations, Rules, Server, ShopStore, Sinks, TestSettings, client,
};

static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| {
    vec![
        Server::section(),
        Auth::section(),
        Dataflow::section(),
        Rules::section(),
        CoViews::section(),
        BuyAgain::section(),
        Features::section(),
        SessionRules::section(),
        EventRules::section(),
        Shadow::section(),
        Recommendations::section(),
        TestSettings::section(),
        OnlineSettings::section(),
        AlsSettings::section(),
        ContentSettings::section(),
        Kafka::section(),
        client::section(),
        postgres::Settings::section(),
        postgres::Products::section(),
        postgres::OrdersTable::section(),
        postgres::OrderItems::section(),
        postgres::RuleTable::section(),
        Files::section(),
        ShopStore::section(),
        Checkpoint::section(),
        Cluster::section(),
        Sinks::section(),
        KafkaCopy::section(),
        PostgresCopy::section(),
        Archive::section(),
        Log::section(),
    ]
});

/// All sections in the order of the example file.
pub fn sections() -> impl Iterator<Item = &'static Section> {
    SECTIONS.iter()
}

/// All settings.
pub(super) fn settings() -> impl Iterator<Item = &'static Setting> {
    sections().flat_map(|section| &section.settings)
}

/// The setting of that full key.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    settings().find(|setting| setting.key == key)
}

/// Whether `name` is a section, or the beginning of the name of one.
pub(super) fn is_section(name: &str) -> bool {
    sections()
        .any(|section| section.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}
