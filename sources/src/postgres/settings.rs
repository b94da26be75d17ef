//! `[postgres]`: the database with orders and catalogue, and the names of its tables and columns.

use std::time::Duration;

use dataflow::rules::Rules;
use dataflow::time::Millis;
use settings::{FromValue, Kind, Secret, Section, Setting, Value, seconds, whole};

use crate::postgres::Acknowledge;
use crate::postgres::adopt::Adopt;
use crate::postgres::names::{
    COLUMN, COLUMN_OR_NONE, NAME_BYTES_MAX, OrderItems, OrderTime, Orders, Products, RuleTable, Status, TABLE, Tables,
};
use crate::postgres::rows::order_window::OrderWindow;
use crate::postgres::session::connection::{BadUrl, Target};

/// The word that stands for "the time a row was first read" instead of a column.
const FIRST_SEEN: &str = "first_seen";

/// The word that stands for the server's own zone instead of a zone's name.
const SERVER_ZONE: &str = "server";

const URL: Kind = Kind::Text {
    allowed: "a connection string such as postgresql://user@host:5432/database; its `sslmode` is disable, allow, prefer, \
              require, verify-ca or verify-full",
    takes: |text| !text.is_empty() && Target::of(text).is_ok(),
};
const ZONE: Kind = Kind::Text { allowed: "a text that is not empty", takes: |text| !text.trim().is_empty() };
const VALUES: Kind = Kind::List {
    allowed: "a list of texts, none empty and none twice, such as [\"paid\", \"shipped\"]",
    takes: |values| values.iter().all(|value| !value.is_empty()),
};
const SLOT: Kind = Kind::Text { allowed: "a name: 1 to 63 of a to z, 0 to 9 and `_`", takes: is_slot };
const SYSTEM: Kind =
    Kind::Scalar { allowed: "a system identifier of PostgreSQL: digits, or \"\" for none", takes: is_system };

settings::choice! {
    /// How changes of the tables are found.
    pub enum Mode {
        /// The log is followed where the server and the tables allow it, else the tables are read again.
        Auto = "auto",
        /// The server's log is followed.
        Replication = "replication",
        /// The tables are read again, now and then, and compared with what was read before.
        Refresh = "refresh",
    }
}

settings::section! {
    /// Orders and the catalogue are read from PostgreSQL. Without this section, PostgreSQL is not used.
    pub struct Settings in "postgres" {
        /// Connection string. `url_file` names a file that holds it. Several hosts are tried in turn, according to
        /// `target_session_attrs`. TLS is used as `sslmode` and `sslrootcert` in it say: see docs/postgresql.md.
        url: Secret = "postgresql://postgres@127.0.0.1:5432/data-db", "URL" secret, URL;
        /// How Vitrine finds changes. "replication" follows the server's log: each transaction shows at once and whole.
        /// "refresh" reads the tables again and applies the difference in one tick. "auto" uses replication if server,
        /// user and tables allow it; otherwise it uses refresh and /v1/status says why.
        mode: Mode = "auto", "word", Kind::Choice(Mode::WORDS);
        /// Replication slot. Vitrine creates it if it is missing, and drops it if "auto" uses refresh. Each Vitrine
        /// needs its own slot. The server keeps its log for the slot: drop it (pg_drop_replication_slot) when you
        /// remove Vitrine or change to "refresh", and set max_slot_wal_keep_size.
        slot: String = "vitrine", "name", SLOT;
        /// Publication of the three tables. Vitrine creates or extends it if necessary. If you change it while Vitrine
        /// is stopped, drop the slot: Vitrine then reads the tables again and applies the difference; histories stay.
        publication: String = "vitrine", "name", SLOT;
        /// System identifier of the server to accept in the place of the previous one, after a restore or pg_upgrade.
        /// Vitrine reads its tables again and applies the difference; histories and checkpoints stay. You can leave the
        /// setting in the file. `vitrine postgres adopt` does the same for a running Vitrine with checkpoints. A
        /// promoted standby needs neither.
        adopt: Adopt = "", "name", SYSTEM => |id: &Value| Adopt { system: id.text().parse().ok(), file: None };
        /// Time from the end of a refresh to the beginning of the next.
        refresh as "refresh_s": Duration = 30, "s", whole(1, 86_400) => seconds;
        /// Longest time without an answer to a short query. After it, Vitrine closes the connection and opens a new
        /// one. The server cancels a short query that waits for a lock after half of this time. Reading tables has
        /// limits of its own: see docs/postgresql.md.
        answer_max as "answer_timeout_s": Duration = 20, "s", whole(1, 3600) => seconds;
        /// The tables. The time of the orders is a setting of this section.
        tables: Tables, inline;
        /// The table of merchandising rules.
        rules: RuleTable, below;
        /// When the server may forget its log.
        acknowledge: Acknowledge, fixed(Acknowledge::WhenFed);
        /// How long an order is kept from its time on, in milliseconds: older ones are not read.
        kept_ms: Millis, fixed(Rules::default().orders_kept_ms());
        /// The longest wait for a connection, where the connection string names no `connect_timeout`.
        connect_timeout: Duration, fixed(Duration::from_secs(5));
        /// The longest time one statement that reads a table may take; the server ends it.
        statement_timeout: Duration, fixed(Duration::from_secs(600));
        /// After this long a silence of the server, the state reports it.
        silence_max: Duration, fixed(Duration::from_secs(60));
        /// The longest pause between two attempts to connect.
        backoff_max: Duration, fixed(Duration::from_secs(30));
    }
}

settings::section! {
    /// The time of the orders.
    pub struct OrderTimes in "postgres" {
        /// Column of the orders with the time of the purchase. "first_seen" uses the time at which Vitrine first read
        /// the order. This time exists in memory and checkpoints only: orders stay there as long as they are in the
        /// table, and without a checkpoint all orders are new after a restart.
        order_time: OrderTime = "created_at", "column", COLUMN;
        /// Time zone of order times that are stored without one, as `timestamp` or `date` (midnight): a name in the
        /// view pg_timezone_names, such as "Europe/Berlin". "server" uses the server's `TimeZone` for this user and
        /// database, which `vitrine check` shows. After a change of the zone, the tables are read again.
        time_zone: Option<String> = "server", "zone", ZONE
            => |zone: &Value| Some(zone.text().to_owned()).filter(|zone| zone != SERVER_ZONE);
    }
}

settings::section! {
    /// The table with the orders.
    pub struct OrdersTable in "postgres.tables.orders" {
        /// Name of the table, with its schema if necessary.
        name: String = "orders", "table", TABLE;
        /// Column with the order's id.
        order_id: String = "order_id", "column", COLUMN;
        /// Column with the id of the user who ordered.
        user_id: String = "user_id", "column", COLUMN;
        /// Column with the status of the order. Only orders with a value of `status_counts` count. "": all orders
        /// count. An order leaves the lists and comes back with all of its lines when its status changes.
        status: Option<String> = "", "column", COLUMN_OR_NONE;
        /// Values of `status` with which an order counts, such as ["paid", "shipped"], in the text form of the
        /// database: "3", "true". NULL and all other values do not count.
        status_counts: Vec<String> = [], "values", VALUES;
    }
}

impl Tables {
    /// The settings of tables that stand in `[postgres]` itself.
    fn section() -> Section {
        OrderTimes::section()
    }

    fn read(given: &dyn Fn(&Setting) -> Value) -> Self {
        let OrdersTable { name, order_id, user_id, status, status_counts: counting } = OrdersTable::read(given);
        let OrderTimes { order_time: time, time_zone } = OrderTimes::read(given);
        let has_status = status.is_some() || !counting.is_empty();
        let status = has_status.then(|| Status { column: status.unwrap_or_default(), counting });
        let orders = Orders { name, order_id, user_id, time, time_zone, status };
        Tables { products: Products::read(given), orders, order_items: OrderItems::read(given) }
    }
}

/// The tables under their default names.
impl Default for Tables {
    fn default() -> Self {
        Tables::read(&Setting::default)
    }
}

impl FromValue for OrderTime {
    fn from_value(value: &Value) -> Self {
        match value.text() {
            FIRST_SEEN => OrderTime::FirstSeen,
            column => OrderTime::Column(column.to_owned()),
        }
    }
}

impl Settings {
    /// The declared defaults for the database at this address.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Settings { url: Secret::new(url), ..Settings::default() }
    }

    /// Where the database is, with the limits of these settings.
    ///
    /// # Errors
    /// When the connection string cannot be read.
    pub fn target(&self) -> Result<Target, BadUrl> {
        Ok(Target::of(self.url.expose())?.within(self.connect_timeout, self.answer_max))
    }

    /// Which times count at `now`.
    pub(crate) fn span(&self, now: Millis) -> OrderWindow {
        OrderWindow { now, kept_ms: self.kept_ms }
    }
}

fn is_slot(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_system(text: &str) -> bool {
    text.is_empty() || (text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(kind: Kind, text: &str) -> bool {
        match kind {
            Kind::Text { takes, .. } | Kind::Scalar { takes, .. } => takes(text),
            other => panic!("{other:?} is not of texts"),
        }
    }

    #[test]
    fn a_system_identifier_is_a_number() {
        for good in ["7440123456789012345", "18446744073709551615", ""] {
            assert!(takes(SYSTEM, good), "{good:?}");
        }
        for wrong in ["18446744073709551616", "-7", "+7", "7a", " "] {
            assert!(!takes(SYSTEM, wrong), "{wrong:?}");
        }
    }

    #[test]
    fn identifiers_cannot_carry_sql() {
        assert!(takes(TABLE, "orders") && takes(TABLE, "shop.orders") && takes(COLUMN, "größe"));
        for wrong in ["", "a b", "a\"b", "a;b", "a.b.c", "1a", "a'", ".", "a."] {
            assert!(!takes(TABLE, wrong), "{wrong:?}");
        }
        assert!(!takes(COLUMN, "a.b"));
        assert!(takes(COLUMN_OR_NONE, "") && takes(COLUMN_OR_NONE, "state") && !takes(COLUMN_OR_NONE, "a b"));
    }

    #[test]
    fn connection_strings_are_of_postgresql() {
        assert!(takes(URL, "postgresql://a@b/c") && !takes(URL, "mysql://a@b/c"));
    }
}
