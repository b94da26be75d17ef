//! `[sinks.kafka]` and `[sinks.postgres]`: which lists are copied, and to where.

use std::time::Duration;

use settings::{Kind, Secret, Value, seconds, whole};
use sources::postgres::{Target, is_table};

use crate::kafka_log::is_topic;

settings::choice! {
    /// The lists that can be copied.
    pub enum CopiedLists {
        /// The best sellers over all products and of every category.
        BestSellers = "bestsellers",
        /// The histories of all users.
        Histories = "histories",
        /// The recommendations for users with a history.
        Recommendations = "recommendations",
        /// The similar products of all products.
        Similar = "similar",
        /// The features of all users.
        Features = "features",
    }
}

impl CopiedLists {
    /// All lists.
    pub const ALL: [CopiedLists; 5] = [
        CopiedLists::BestSellers,
        CopiedLists::Histories,
        CopiedLists::Recommendations,
        CopiedLists::Similar,
        CopiedLists::Features,
    ];

    /// Whether each of them belongs to a user.
    #[must_use]
    pub fn is_of_users(self) -> bool {
        match self {
            CopiedLists::Histories | CopiedLists::Recommendations | CopiedLists::Features => true,
            CopiedLists::BestSellers | CopiedLists::Similar => false,
        }
    }

    /// The word that stands for them in settings.
    #[must_use]
    pub fn word(self) -> &'static str {
        CopiedLists::WORDS[CopiedLists::ALL.iter().position(|lists| *lists == self).unwrap_or_default()]
    }
}

const TOPIC: Kind = Kind::Text {
    allowed: "a topic's name: 1 to 249 of letters, digits, `.`, `_` and `-`, or \"\" for none",
    takes: |text| text.is_empty() || is_topic(text),
};
const TABLE: Kind = Kind::Text {
    allowed: "a table's name, with or without its schema, such as lists or shop.lists, or \"\" for none",
    takes: |text| text.is_empty() || is_table(text),
};
const URL: Kind = Kind::Text {
    allowed: "a connection string such as postgresql://user@host:5432/database, or \"\" for that of [postgres]",
    takes: |text| text.is_empty() || Target::of(text).is_ok(),
};
const LISTS: Kind = Kind::List {
    allowed: "a list, none twice, of \"bestsellers\", \"histories\", \"recommendations\", \"similar\" and \"features\"",
    takes: |words| !words.is_empty() && words.iter().all(|word| CopiedLists::WORDS.contains(&word.as_str())),
};

settings::section! {
    /// A copy of lists in a compacted topic of [kafka]: one record for each list. The copy corrects itself. docs/sinks.md
    /// explains it. Without `topic` there is no copy.
    pub struct KafkaCopy in "sinks.kafka" {
        /// Topic with the copy. Vitrine creates it if it is missing; an existing topic must have cleanup.policy=compact.
        /// "": no copy.
        topic: Option<String> = "", "topic", TOPIC;
        /// Lists that are copied.
        lists: Vec<CopiedLists> = ["bestsellers", "histories"], "lists", LISTS => chosen;
        /// Partitions with which a missing topic is created.
        partitions: usize = 1, "partitions", whole(1, 10_000);
        /// Time from the end of a comparison of the whole topic with the lists to the beginning of the next.
        compare_every as "compare_every_s": Duration = 60, "s", whole(1, 604_800) => seconds;
        /// Time between two transactions while few lists change. Changes of a list within it are written once.
        interval_ms: u64 = 100, "ms", whole(1, 60_000);
        /// Limit of lists that have changed and wait, about 100 bytes each. Above it, everything is compared.
        waiting_max: usize = 1_000_000, "lists", whole(1000, 1_000_000_000);
    }
}

settings::section! {
    /// A copy of lists in a table of PostgreSQL: one row for each product of each list. The copy corrects itself.
    /// docs/sinks.md explains it. Without `table` there is no copy.
    pub struct PostgresCopy in "sinks.postgres" {
        /// Connection string. `url_file` names a file that holds it. "": that of [postgres].
        url: Secret = "", "URL" secret, URL;
        /// Table with the copy. Vitrine creates it if it is missing. "": no copy.
        table: Option<String> = "", "table", TABLE;
        /// Lists that are copied.
        lists: Vec<CopiedLists> = ["bestsellers", "histories"], "lists", LISTS => chosen;
        /// Time from the end of a comparison of the whole table with the lists to the beginning of the next.
        compare_every as "compare_every_s": Duration = 60, "s", whole(1, 604_800) => seconds;
        /// Time between two transactions while few lists change. Changes of a list within it are written once.
        interval_ms: u64 = 100, "ms", whole(1, 60_000);
        /// Limit of lists that have changed and wait, about 100 bytes each. Above it, everything is compared.
        waiting_max: usize = 1_000_000, "lists", whole(1000, 1_000_000_000);
    }
}

/// What both kinds of copies have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySettings {
    /// The lists that are copied.
    pub lists: Vec<CopiedLists>,
    /// The time from one comparison to the next.
    pub compare_every: Duration,
    /// The time between two transactions.
    pub interval: Duration,
    /// The limit of lists that wait.
    pub waiting_max: usize,
}

impl KafkaCopy {
    /// What both kinds of copies have.
    #[must_use]
    pub fn copy(&self) -> CopySettings {
        CopySettings {
            lists: self.lists.clone(),
            compare_every: self.compare_every,
            interval: Duration::from_millis(self.interval_ms),
            waiting_max: self.waiting_max,
        }
    }
}

impl PostgresCopy {
    /// What both kinds of copies have.
    #[must_use]
    pub fn copy(&self) -> CopySettings {
        CopySettings {
            lists: self.lists.clone(),
            compare_every: self.compare_every,
            interval: Duration::from_millis(self.interval_ms),
            waiting_max: self.waiting_max,
        }
    }
}

fn chosen(value: &Value) -> Vec<CopiedLists> {
    let Value::List(words) = value else { unreachable!("the setting's kind is of lists, found {value}") };
    CopiedLists::ALL.into_iter().filter(|lists| words.iter().any(|word| word == lists.word())).collect()
}
