//! Values as the server writes them: text, ids, times.

pub(crate) mod charset;
pub(crate) mod id_format;
pub(crate) mod list;
pub(crate) mod pg_time;
pub(crate) mod zone;
