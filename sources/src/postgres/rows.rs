//! From the server's bytes to rows in keys, and the rows that are held.

pub(crate) mod category_sets;
pub(crate) mod changed_row;
pub(crate) mod copy_format;
pub(crate) mod first_seen;
pub(crate) mod held_lines;
pub(crate) mod order_window;
pub(crate) mod orphan_lines;
pub(crate) mod pgoutput;
pub(crate) mod row_decoder;
pub(crate) mod row_edit;
pub(crate) mod table_cache;
pub(crate) mod table_scan;
pub(crate) mod unheld_rows;
