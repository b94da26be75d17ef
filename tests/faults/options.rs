//! The options of a testbed. The default is one process beside a database of the shared server.

use crate::load;

/// Processes of a cluster.
pub(crate) const PROCESSES: usize = 2;

/// Everything that a kind of fault may want otherwise.
pub(crate) struct TestbedOptions {
    /// Several are a cluster under its supervisor.
    pub(crate) processes: usize,
    /// Variables of the program's environment.
    pub(crate) environment: Vec<(String, String)>,
    /// The empty database that the load writes to and that the lists are worked out from, by its URL.
    pub(crate) database: Option<String>,
    /// The URL by which the program knows that database, where it is another one.
    pub(crate) url: Option<String>,
    /// Makes the tables.
    pub(crate) schema: String,
    /// The setting `postgres.mode`.
    pub(crate) mode: &'static str,
    /// Further settings of the section `postgres`.
    pub(crate) postgres: &'static str,
    /// Before the number of an order, in its id.
    pub(crate) order_prefix: &'static str,
}

impl Default for TestbedOptions {
    fn default() -> TestbedOptions {
        TestbedOptions {
            processes: 1,
            environment: Vec::new(),
            database: None,
            url: None,
            schema: load::schema(),
            mode: "replication",
            postgres: "",
            order_prefix: "o-",
        }
    }
}
