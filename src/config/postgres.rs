//! `[postgres]`: the database with orders and catalogue, and the names of its tables and columns.

use super::Secret;
use super::kind::Kind;
use super::setting::{Section, Setting};
use super::values::Values;

/// The word that stands for "the time a row was first read" instead of a column.
const FIRST_SEEN: &str = "first_seen";

/// The word that stands for the server's own zone instead of a zone's name.
const SERVER_ZONE: &str = "server";

pub(super) const SECTION: Section = Section {
    name: "postgres",
    sentence: "Orders and the catalogue are read from PostgreSQL. Leave the section out to do without.",
    settings: &[
        Setting::new(
            "postgres.url",
            Kind::PostgresUrl,
            "URL",
            "\"postgresql://postgres@127.0.0.1:5432/data-db\"",
            "Connection string; `url_file` names a file that holds it. Several hosts are tried in turn, as `target_session_attrs` has \
             it.",
        )
        .secret(),
        Setting::new(
            "postgres.mode",
            Kind::Choice { allowed: &["auto", "replication", "refresh"], planned: &[] },
            "word",
            "\"auto\"",
            "How changes are found: \"replication\" follows the server's log, each transaction at once and whole; \"refresh\" \
             reads the tables again and applies the difference in one tick; \"auto\" does the first where server, user and \
             tables allow it, and says why where not.",
        ),
        Setting::new(
            "postgres.slot",
            Kind::Slot,
            "name",
            "\"vitrine\"",
            "Replication slot, made if it is missing, removed where \"auto\" reads the tables again instead. Each instance of a \
             server needs its own; the server keeps its log for it, so drop it (pg_drop_replication_slot) when Vitrine is gone \
             for good or mode is \"refresh\" from now on, and set max_slot_wal_keep_size.",
        ),
        Setting::new(
            "postgres.publication",
            Kind::Slot,
            "name",
            "\"vitrine\"",
            "Publication of the three tables, made or extended if need be. After changing it by hand while Vitrine is away, \
             drop the slot: the tables are then read anew as a difference, histories stay.",
        ),
        Setting::new(
            "postgres.adopt",
            Kind::System,
            "name",
            "\"\"",
            "System identifier of a server whose tables may take the place of those read before, after a restore or \
             pg_upgrade: the tables are read anew as a difference, histories and checkpoints stay. It may stay here. \
             `vitrine postgres adopt` says the same to a running Vitrine that keeps checkpoints. A promoted standby needs \
             neither.",
        ),
        Setting::new(
            "postgres.refresh_s",
            Kind::Integer { min: 1, max: 86_400 },
            "s",
            "30",
            "Time from the end of one refresh to the beginning of the next, where tables are read again.",
        ),
        Setting::new(
            "postgres.answer_timeout_s",
            Kind::Integer { min: 1, max: 3600 },
            "s",
            "20",
            "Longest silence of a server that was asked something it answers at once: then the connection is given up and made \
             anew. Tables may take longer to read, and a statement ten minutes until its first row; a statement that waits for \
             a lock in the way of a question is ended after half of this.",
        ),
        Setting::new(
            "postgres.order_time",
            Kind::Column,
            "column",
            "\"created_at\"",
            "Column of the orders with the time of the purchase; \"first_seen\" takes the time an order was first read, which \
             only memory and checkpoints know: orders then stay there as long as they are in the table, and without a \
             checkpoint all are new at a restart.",
        ),
        Setting::new(
            "postgres.time_zone",
            Kind::Text,
            "zone",
            "\"server\"",
            "Time zone of orders whose time is stored without one, as `timestamp` or `date` (midnight): a name in the view \
             pg_timezone_names, such as \"Europe/Berlin\"; \"server\" takes the `TimeZone` that the server has for this user and \
             database, which `vitrine check` shows. Another zone has the tables read anew.",
        ),
    ],
};

pub(super) const PRODUCTS: Section = Section {
    name: "postgres.tables.products",
    sentence: "The table with the products and their categories. Names are taken exactly, upper and lower case too.",
    settings: &[
        Setting::new(
            "postgres.tables.products.name",
            Kind::Table,
            "table",
            "\"products\"",
            "Name of the table, with its schema if need be.",
        ),
        Setting::new(
            "postgres.tables.products.product_id",
            Kind::Column,
            "column",
            "\"product_id\"",
            "Column with the product's id.",
        ),
        Setting::new(
            "postgres.tables.products.category_id",
            Kind::Column,
            "column",
            "\"category_id\"",
            "Column with the id of the product's category.",
        ),
    ],
};

pub(super) const ORDERS: Section = Section {
    name: "postgres.tables.orders",
    sentence: "The table with the orders.",
    settings: &[
        Setting::new(
            "postgres.tables.orders.name",
            Kind::Table,
            "table",
            "\"orders\"",
            "Name of the table, with its schema if need be.",
        ),
        Setting::new(
            "postgres.tables.orders.order_id",
            Kind::Column,
            "column",
            "\"order_id\"",
            "Column with the order's id.",
        ),
        Setting::new(
            "postgres.tables.orders.user_id",
            Kind::Column,
            "column",
            "\"user_id\"",
            "Column with the id of the user who ordered.",
        ),
        Setting::new(
            "postgres.tables.orders.status",
            Kind::ColumnOrNone,
            "column",
            "\"\"",
            "Column with the order's status. Orders count with the values of `status_counts` only; \"\" counts all orders. An \
             order leaves the lists and comes back with its status, with all of its lines.",
        ),
        Setting::new(
            "postgres.tables.orders.status_counts",
            Kind::ColumnValues,
            "values",
            "[]",
            "Values of `status` with which an order counts, such as [\"paid\", \"shipped\"], as the database writes them as text: \
             \"3\", \"true\". NULL and all other values do not count.",
        ),
    ],
};

pub(super) const ORDER_ITEMS: Section = Section {
    name: "postgres.tables.order_items",
    sentence: "The table with the lines of the orders.",
    settings: &[
        Setting::new(
            "postgres.tables.order_items.name",
            Kind::Table,
            "table",
            "\"order_items\"",
            "Name of the table, with its schema if need be.",
        ),
        Setting::new(
            "postgres.tables.order_items.order_id",
            Kind::Column,
            "column",
            "\"order_id\"",
            "Column with the id of the line's order.",
        ),
        Setting::new(
            "postgres.tables.order_items.product_id",
            Kind::Column,
            "column",
            "\"product_id\"",
            "Column with the id of the product ordered.",
        ),
    ],
};

/// `[postgres]`, in the units of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is documented by the sentence of its setting above")]
pub struct Postgres {
    pub url: Secret,
    pub mode: Mode,
    pub slot: String,
    pub publication: String,
    pub adopt: Option<u64>,
    pub refresh_s: u64,
    pub answer_timeout_s: u64,
    pub order_time: OrderTime,
    pub time_zone: String,
    pub tables: Tables,
}

/// How changes of the tables are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The server's log where it can be followed, else by reading again.
    Auto,
    /// Follow the server's log.
    Replication,
    /// Read again now and then, apply the difference in one tick.
    Refresh,
}

/// Where an order's time comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderTime {
    /// A column of the orders.
    Column(String),
    /// The time the order was first read.
    FirstSeen,
}

/// Names of tables and columns, to be quoted wherever they enter SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// The products and their categories.
    pub products: ProductsTable,
    /// The orders.
    pub orders: OrdersTable,
    /// The lines of the orders.
    pub order_items: OrderItemsTable,
}

/// Names of `[postgres.tables.products]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is documented by the sentence of its setting above")]
pub struct ProductsTable {
    pub name: String,
    pub product_id: String,
    pub category_id: String,
}

/// Names of `[postgres.tables.orders]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is documented by the sentence of its setting above")]
pub struct OrdersTable {
    pub name: String,
    pub order_id: String,
    pub user_id: String,
    pub status: Option<String>,
    pub status_counts: Vec<String>,
}

/// Names of `[postgres.tables.order_items]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is documented by the sentence of its setting above")]
pub struct OrderItemsTable {
    pub name: String,
    pub order_id: String,
    pub product_id: String,
}

impl Postgres {
    pub(super) fn read(values: &Values) -> Postgres {
        let order_time = values.text("postgres.order_time");
        Postgres {
            url: Secret::new(values.text("postgres.url")),
            mode: match values.text("postgres.mode").as_str() {
                "replication" => Mode::Replication,
                "refresh" => Mode::Refresh,
                _ => Mode::Auto,
            },
            slot: values.text("postgres.slot"),
            publication: values.text("postgres.publication"),
            adopt: values.text("postgres.adopt").parse().ok(),
            refresh_s: values.integer("postgres.refresh_s"),
            answer_timeout_s: values.integer("postgres.answer_timeout_s"),
            order_time: if order_time == FIRST_SEEN { OrderTime::FirstSeen } else { OrderTime::Column(order_time) },
            time_zone: values.text("postgres.time_zone"),
            tables: Tables {
                products: ProductsTable {
                    name: values.text("postgres.tables.products.name"),
                    product_id: values.text("postgres.tables.products.product_id"),
                    category_id: values.text("postgres.tables.products.category_id"),
                },
                orders: OrdersTable {
                    name: values.text("postgres.tables.orders.name"),
                    order_id: values.text("postgres.tables.orders.order_id"),
                    user_id: values.text("postgres.tables.orders.user_id"),
                    status: Some(values.text("postgres.tables.orders.status")).filter(|column| !column.is_empty()),
                    status_counts: values.list("postgres.tables.orders.status_counts"),
                },
                order_items: OrderItemsTable {
                    name: values.text("postgres.tables.order_items.name"),
                    order_id: values.text("postgres.tables.order_items.order_id"),
                    product_id: values.text("postgres.tables.order_items.product_id"),
                },
            },
        }
    }

    /// The mode as the source takes it.
    pub fn source_mode(&self) -> sources::postgres::Mode {
        match self.mode {
            Mode::Auto => sources::postgres::Mode::Auto,
            Mode::Replication => sources::postgres::Mode::Replication,
            Mode::Refresh => sources::postgres::Mode::Refresh,
        }
    }

    /// The names as the source takes them.
    pub fn source_tables(&self) -> sources::postgres::Tables {
        use sources::postgres as source;
        let Tables { products, orders, order_items } = self.tables.clone();
        let ProductsTable { name, product_id, category_id } = products;
        let products = source::Products { name, product_id, category_id };
        let time = match &self.order_time {
            OrderTime::Column(column) => source::OrderTime::Column(column.clone()),
            OrderTime::FirstSeen => source::OrderTime::FirstSeen,
        };
        let OrdersTable { name, order_id, user_id, status, status_counts } = orders;
        let time_zone = (self.time_zone != SERVER_ZONE).then(|| self.time_zone.clone());
        let status = status.map(|column| source::Status { column, counting: status_counts });
        let orders = source::Orders { name, order_id, user_id, time, time_zone, status };
        let OrderItemsTable { name, order_id, product_id } = order_items;
        let order_items = source::OrderItems { name, order_id, product_id };
        source::Tables { products, orders, order_items }
    }

    /// The time column, if orders have one.
    pub fn order_time_column(&self) -> Option<&str> {
        match &self.order_time {
            OrderTime::Column(column) => Some(column),
            OrderTime::FirstSeen => None,
        }
    }
}
