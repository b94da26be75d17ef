//! Contradictions between settings that are each allowed.

use dataflow::rules::RecommendationRule;
use recommend::{Page, SourceName};
use sinks::copies::CopiedLists;
use sources::postgres::{Mode, Status, Tables};

use super::layers::Layers;
use super::problem::Problem;
use super::{Config, Kafka, Recommendations, client, paths};

/// Adds every contradiction to `problems`.
pub(super) fn together(config: &Config, layers: &Layers, problems: &mut Vec<Problem>) {
    let mut add = |key: &str, reason: String| problems.push(Problem::Together { origin: layers.origin(key), reason });
    if config.rules.items_min > config.rules.list_size {
        add(
            "rules.items_min",
            "`rules.items_min` is larger than `rules.list_size`, so no list could ever be shown".into(),
        );
    }
    if config.rules.history_depth < config.rules.list_size {
        let reason =
            "`rules.history_depth` is less than `rules.list_size`, so a history would be shorter than its list";
        add("rules.history_depth", reason.into());
    }
    shadow(config, &mut add);
    if config.dataflow.ticks.idle_tick_ms < config.dataflow.ticks.tick_ms {
        add("dataflow.idle_tick_ms", "`dataflow.idle_tick_ms` is less than `dataflow.tick_ms`".into());
    }
    if config.server.staleness_max_ms <= config.dataflow.ticks.idle_tick_ms {
        let reason =
            "`server.staleness_max_ms` is not above `dataflow.idle_tick_ms`, so a quiet shop would never be ready";
        add("server.staleness_max_ms", reason.into());
    }
    tls(config, &mut add);
    recommendations(config, &mut add);
    cluster(config, &mut add);
    if let Some(kafka) = &config.kafka {
        topics(kafka, &mut add);
        for (key, value) in &kafka.client {
            if let Some(reason) = client::objection(key, value.expose()) {
                add(&format!("kafka.client.{key}"), reason);
            }
        }
    }
    status(config, &mut add);
    if config.content.enabled && config.postgres.is_none() && config.files.is_none() && config.store.is_none() {
        let reason =
            "`models.content.enabled` is \"on\", but no products are read: configure [postgres], [files] or [store]";
        add("models.content.enabled", reason.into());
    }
    features(config, &mut add);
    archive(config, &mut add);
    copies(config, &mut add);
    copied_lists(config, &mut add);
    store(config, &mut add);
    paths::collisions(config, &mut add);
    if config.files.is_some() {
        for (section, present) in [("kafka", config.kafka.is_some()), ("postgres", config.postgres.is_some())] {
            if present {
                let reason =
                    format!("[files] stands beside [{section}]; keep [files] to read files, or the services' sections");
                problems.push(Problem::Together { origin: layers.origin_of_section("files"), reason });
            }
        }
    }
}

/// Numbers of the shadow that no list of it could follow.
fn shadow(config: &Config, add: &mut impl FnMut(&str, String)) {
    let (rules, shadow) = (config.rules, config.rules.of_shadow());
    if !rules.shadow.enabled {
        return;
    }
    if shadow.window_ms > rules.window_ms {
        let reason = "`shadow.window_days` is more than `rules.window_days`: best sellers count no older orders";
        add("shadow.window_days", reason.into());
    }
    if shadow.list_size > rules.history_depth {
        let reason =
            "`shadow.list_size` is more than `rules.history_depth`, so a history would be shorter than its list";
        add("shadow.list_size", reason.into());
    }
    if shadow.items_min > shadow.list_size {
        let reason = "`shadow.items_min` is larger than the size of the shadow's lists, so no list could ever be shown";
        add("shadow.items_min", reason.into());
    }
}

/// A certificate without its key, or authorities without a certificate.
fn tls(config: &Config, add: &mut impl FnMut(&str, String)) {
    match (&config.server.tls_cert, &config.server.tls_key) {
        (Some(_), None) => add("server.tls_cert", "`server.tls_cert` stands without `server.tls_key`".into()),
        (None, Some(_)) => add("server.tls_key", "`server.tls_key` stands without `server.tls_cert`".into()),
        (None, None) if config.server.tls_ca.is_some() => {
            add("server.tls_ca", "`server.tls_ca` stands without `server.tls_cert`: the server speaks no TLS".into());
        }
        _ => {}
    }
}

/// A column without values would count no order, and values without a column all of them.
fn status(config: &Config, add: &mut impl FnMut(&str, String)) {
    let Some(postgres) = &config.postgres else { return };
    let Some(Status { column, counting }) = &postgres.tables.orders.status else { return };
    match (!column.is_empty(), counting.is_empty()) {
        (true, true) => add(
            "postgres.tables.orders.status",
            "`postgres.tables.orders.status` names a column, but `postgres.tables.orders.status_counts` no value with which an \
             order counts"
                .into(),
        ),
        (false, false) => add(
            "postgres.tables.orders.status_counts",
            "`postgres.tables.orders.status_counts` names values, but `postgres.tables.orders.status` no column".into(),
        ),
        _ => {}
    }
}

/// Features of attributes without products, or without the column of the attributes.
fn features(config: &Config, add: &mut impl FnMut(&str, String)) {
    let has_products = config.postgres.is_some() || config.files.is_some() || config.store.is_some();
    if !config.rules.features.attributes.is_empty() && !has_products {
        let reason = "`features.attributes` names attributes, but no products are read: configure [postgres], [files] or [store]";
        add("features.attributes", reason.into());
    }
    // The store's field has a fixed name.
    let has_column = config.content.attributes.is_some() || config.postgres.is_none() && config.store.is_some();
    if !config.rules.features.attributes.is_empty() && has_products && !has_column {
        let reason = "`features.attributes` names attributes, but `models.content.attributes_column` names no column: name the \
                      column of the products that holds them";
        add("features.attributes", reason.into());
    }
}

/// Copies that have no service, or a topic or a table that is used otherwise.
fn copies(config: &Config, add: &mut impl FnMut(&str, String)) {
    let (topic, copy) = (&config.sinks.kafka.topic, &config.sinks.postgres);
    match (topic, &config.kafka) {
        (Some(_), None) => {
            let reason = "`sinks.kafka.topic` names a topic, but there is no [kafka] with its brokers";
            add("sinks.kafka.topic", reason.into());
        }
        (Some(topic), Some(kafka)) => {
            if let Some((_, key)) = kafka.topics().find(|(other, _)| other == topic) {
                add("sinks.kafka.topic", format!("`sinks.kafka.topic` is \"{topic}\", which is also in `{key}`"));
            }
        }
        (None, _) => {}
    }
    let Some(table) = &copy.table else { return };
    if copy.url.expose().is_empty() && config.postgres.is_none() {
        let reason = "`sinks.postgres.table` names a table, but neither `sinks.postgres.url` nor [postgres] its server";
        add("sinks.postgres.table", reason.into());
    }
    let Some(postgres) = &config.postgres else { return };
    let tables = &postgres.tables;
    let names = [&tables.products.name, &tables.orders.name, &tables.order_items.name];
    if names.into_iter().chain(&postgres.rules.name).any(|name| name == table) {
        add("sinks.postgres.table", format!("`sinks.postgres.table` is \"{table}\", which is a table of the shop"));
    }
}

/// Copies of lists that nothing makes: what the copy holds of them would be removed.
fn copied_lists(config: &Config, add: &mut impl FnMut(&str, String)) {
    let (kafka, postgres) = (&config.sinks.kafka, &config.sinks.postgres);
    let copied = [
        ("sinks.kafka.lists", kafka.topic.as_ref().map(|_| &kafka.lists)),
        ("sinks.postgres.lists", postgres.table.as_ref().map(|_| &postgres.lists)),
    ];
    let (models, features) = (config.models_on(), config.rules.features.enabled);
    let switch = |lists: CopiedLists| match lists {
        CopiedLists::Similar if !models.co_views && !models.content => SourceName::CoViews.switch(),
        CopiedLists::Features if !features => Some("features.enabled"),
        _ => None,
    };
    for (key, lists) in copied {
        for (word, switch) in lists.into_iter().flatten().filter_map(|lists| Some((lists.word(), switch(*lists)?))) {
            let reason = format!(
                "`{key}` names \"{word}\", which are off: set `{switch} = \"on\"`, or take \"{word}\" out of the list"
            );
            add(key, reason);
        }
    }
}

/// A store that cannot be where it is asked to be.
fn store(config: &Config, add: &mut impl FnMut(&str, String)) {
    let Some(store) = &config.store else { return };
    let Some(postgres) = &config.postgres else {
        if config.cluster.is_shared() {
            add(
                "cluster.processes",
                "the file of [store] is written by one process only; several need [postgres]".into(),
            );
        }
        if store.manage {
            let reason = "`store.manage` lets Vitrine make tables in the database of [postgres], which is not configured; a \
                          SQLite file needs no leave";
            add("store.manage", reason.into());
        }
        return;
    };
    if store.manage && postgres.tables != Tables::default() {
        let reason = "`store.manage` makes tables with names of its own: take [postgres.tables], `postgres.order_time` and \
                      `postgres.time_zone` out";
        add("store.manage", reason.into());
    }
    if store.manage && postgres.mode == Mode::Refresh {
        let reason = "`postgres.mode` is \"refresh\", with which nobody could wait until a write shows: `store.manage` needs \
                      replication";
        add("store.manage", reason.into());
    }
}

/// An archive of files that are not read.
fn archive(config: &Config, add: &mut impl FnMut(&str, String)) {
    let unknown = |topic: &&String| !sources::files::EVENT_FILES.contains(&topic.as_str());
    if config.files.is_some()
        && let Some(topic) = config.archive.topics.iter().find(unknown)
    {
        let files = sources::files::EVENT_FILES.join(", ");
        add(
            "archive.topics",
            format!("`archive.topics` names \"{topic}\", which is not among the files with events: {files}"),
        );
    }
}

/// A chain that names a source whose model is off, and recommendations "for you" that no model makes.
fn recommendations(config: &Config, add: &mut impl FnMut(&str, String)) {
    let (defaults, test) = (Recommendations::default(), &config.test);
    let chains = Page::ALL.map(|page| ("recommendations", page, config.recommendations.chain(page)));
    let of_test = Page::ALL.map(|page| ("recommendations.test", page, test.chain(page)));
    for (section, page, chain) in chains.into_iter().chain(of_test.into_iter().filter(|_| test.enabled)) {
        // The defaults name every model of the product, and pass over those that are off.
        if chain == defaults.chain(page) {
            continue;
        }
        for source in chain.iter().filter(|source| !config.models_on().has(**source)) {
            let (key, word) = (format!("{section}.{}", page.word()), source.word());
            let switch = source.switch().unwrap_or_default();
            let reason = format!(
                "`{key}` names \"{word}\", whose model is off: set `{switch} = \"on\"`, or take \"{word}\" out of the list"
            );
            add(&key, reason);
        }
    }
    let home = config.recommendations.chain(Page::Home);
    let models: Vec<_> = home.iter().filter_map(|source| Some((source, source.switch()?))).collect();
    let Some((_, switch)) =
        models.first().filter(|_| models.iter().all(|(source, _)| !config.models_on().has(**source)))
    else {
        return;
    };
    let (rules, shadow) = (config.rules.recommendations, config.rules.shadow);
    let of_shadow = shadow.recommendations.filter(|_| shadow.enabled);
    for (key, rule) in [("rules.recommendations", Some(rules)), ("shadow.recommendations", of_shadow)] {
        if rule == Some(RecommendationRule::ForYou) {
            let reason = format!(
                "`{key}` is \"for_you\", but no model of `recommendations.home` is on: set `{switch} = \"on\"`"
            );
            add(key, reason);
        }
    }
}

fn cluster(config: &Config, add: &mut impl FnMut(&str, String)) {
    let cluster = &config.cluster;
    if cluster.process >= cluster.processes {
        let reason = format!(
            "`cluster.process` is {}, but there are {} processes, counted from 0",
            cluster.process, cluster.processes
        );
        add("cluster.process", reason);
    }
    if cluster.is_shared() && cluster.hosts.is_none() {
        add(
            "cluster.processes",
            "there are several processes, but `cluster.hosts` names no file with their addresses".into(),
        );
    }
    if cluster.is_shared() && config.als.enabled && !config.als.every.is_zero() {
        let reason = "`models.als.every_s` is not 0, and there are several processes, each of which would train on a part of the \
                      users: set it to 0, and train with `vitrine train`";
        add("models.als.every_s", reason.into());
    }
    if cluster.is_shared() && config.online.enabled {
        let reason = "`online.enabled` is \"on\", and there are several processes, each of which would see a part of the events: \
                      set it to \"off\"";
        add("online.enabled", reason.into());
    }
    if cluster.is_shared() && config.files.is_some() {
        add("cluster.processes", "[files] is read by one process only; several need [kafka]".into());
    }
}

fn topics(kafka: &Kafka, add: &mut impl FnMut(&str, String)) {
    if kafka.views.contains(&kafka.dead_letters) || kafka.removals == kafka.dead_letters {
        let reason = format!(
            "`kafka.dead_letters` is \"{}\", which is read as well: bad events would go round for ever",
            kafka.dead_letters
        );
        add("kafka.dead_letters", reason);
    }
    if let Some(rules) = &kafka.rules
        && let Some((_, key)) = kafka.topics().find(|(topic, key)| topic == rules && *key != "kafka.rules")
    {
        let reason = format!("`kafka.rules` is \"{rules}\", which is also in `{key}`; give rules a topic of their own");
        add("kafka.rules", reason);
    }
    if kafka.views.contains(&kafka.removals) {
        let reason = format!(
            "`kafka.removals` is \"{}\", which is also in `kafka.views`; give removals a topic of their own",
            kafka.removals
        );
        add("kafka.removals", reason);
    }
}
