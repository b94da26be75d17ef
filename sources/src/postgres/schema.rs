//! The definitions of the tables in the database, and the requirements for reading and following them.

pub(crate) mod column_types;
pub(crate) mod definitions;
pub(crate) mod id_columns;
pub(crate) mod keys;
pub(crate) mod layout;
pub(crate) mod publication;
pub(crate) mod release_table;
pub(crate) mod schema_check;
pub(crate) mod value_format;
