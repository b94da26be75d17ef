//! Where copies of users' data remain after an erasure, by the configuration: the last part of its receipt.

use query_server::DataCopy;

use crate::config::Config;

/// The places that hold what users did, besides the memory of this process.
pub(super) fn of(config: &Config) -> Vec<DataCopy> {
    let mut copies = Vec::new();
    let mut add = |place: String, holds: &str, until: String, run: Option<String>| {
        copies.push(DataCopy { place, holds: holds.to_owned(), until, run });
    };
    if let Some(kafka) = &config.kafka {
        for topic in kafka.views.iter().chain([&kafka.dead_letters]) {
            add(format!("the topic {topic}"), "the user's events", "the topic's retention ends".to_owned(), None);
        }
        let holds = "removals and the erasure itself, which must stay: it is read again if the state is lost";
        add(format!("the topic {}", kafka.removals), holds, "the topic's retention ends".to_owned(), None);
    }
    if let Some(files) = &config.files {
        let place = format!("the files in {}", files.dir.display());
        add(place, "the user's events, orders and the erasure itself", "you remove them".to_owned(), None);
    }
    if let Some(checkpoint) = config.checkpoints_written() {
        let second = if checkpoint.keep > 1 { " and the second at most 100 checkpoints later" } else { "" };
        let until = format!(
            "they are replaced: the first full checkpoint without the user is due within {} s{second}",
            checkpoint.every.as_secs()
        );
        let id = if config.sinks.needs_users() { ", and the id, which the sinks need" } else { "" };
        let holds = format!(
            "the history, counts and purchases under a keyed hash of the id{id}; orders stay as long as the shop has them"
        );
        add(format!("the checkpoints in {}", checkpoint.dir.display()), &holds, until, None);
    }
    if let Some(to) = &config.archive.to {
        let run = "vitrine archive erase --user USER".to_owned();
        add(format!("the archive {to}"), "the user's events", "its records are removed".to_owned(), Some(run));
    }
    if let Some(changes) = &config.sinks.changes {
        let holds = "the changes of the user's lists, with the id";
        add(format!("the file {}", changes.display()), holds, "you remove it".to_owned(), None);
    }
    let lists = "the user's lists, with the id";
    if let Some(topic) = &config.sinks.kafka.topic {
        let until =
            "the copy follows: tombstones are written at once, and compaction removes the old records".to_owned();
        add(format!("the topic {topic}"), lists, until, None);
    }
    if let Some(table) = &config.sinks.postgres.table {
        add(format!("the table {table}"), lists, "the copy follows: the lists are removed at once".to_owned(), None);
    }
    if let Some(audit) = &config.sinks.audit {
        add(format!("the file {}", audit.display()), "the entry on the erasure", "you remove it".to_owned(), None);
    }
    if let Some(postgres) = &config.postgres {
        let (orders, items) = (&postgres.tables.orders, &postgres.tables.order_items);
        let (order, user) = (quoted(&orders.order_id), quoted(&orders.user_id));
        let (orders, lines, order_of_line) = (quoted(&orders.name), quoted(&items.name), quoted(&items.order_id));
        let run = format!(
            "DELETE FROM {lines} WHERE {order_of_line} IN (SELECT {order} FROM {orders} WHERE {user} = $1); \
             DELETE FROM {orders} WHERE {user} = $1"
        );
        let until = "the shop deletes them; they are hidden here meanwhile".to_owned();
        add("the shop's tables in PostgreSQL".to_owned(), "the user's orders and their lines", until, Some(run));
    }
    copies
}

/// A name of a table or a column, with its schema if it has one, as SQL quotes it.
fn quoted(name: &str) -> String {
    let parts: Vec<String> = name.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_with_their_schema() {
        assert_eq!(quoted("shop.orders"), r#""shop"."orders""#);
        assert_eq!(quoted("a\"b"), r#""a""b""#);
    }
}
