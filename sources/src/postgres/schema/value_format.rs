//! The format of the values of a row, from the log and from COPY alike: encoding, formats of ids and times, time zone.

use std::sync::Arc;

use postgres::GenericClient;

use crate::postgres::names::{SourceTable, Tables};
use crate::postgres::schema::layout::Layout;
use crate::postgres::values::charset::Charset;
use crate::postgres::values::id_format::IdFormat;
use crate::postgres::values::pg_time::TimeKind;
use crate::postgres::values::zone::{Zone, Zones};

/// How values are written in the tables. The default is UTF-8, UTC, and ids as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ValueFormat {
    pub(crate) charset: Charset,
    /// By table and used column, as in [`IdColumns`](super::id_columns::IdColumns).
    pub(crate) forms: [[Option<IdFormat>; 2]; 3],
    /// Whether the column of the category holds lists of ids.
    pub(crate) category_lists: bool,
    /// How the orders' status is written.
    pub(crate) status: Option<IdFormat>,
    /// The kind of the orders' time column.
    pub(crate) time: Option<TimeKind>,
    /// The zone of local times.
    pub(crate) zone: Arc<Zone>,
}

impl ValueFormat {
    /// For tables of this layout.
    pub(crate) fn read(
        client: &mut impl GenericClient,
        layout: &Layout,
        zones: &mut Zones,
    ) -> Result<ValueFormat, postgres::Error> {
        let zone = zones.get(client, layout.zone.as_deref())?;
        let Layout { charset, ids, status, time, .. } = layout;
        Ok(ValueFormat {
            charset: *charset,
            forms: ids.forms,
            category_lists: ids.category_lists,
            status: *status,
            time: *time,
            zone,
        })
    }

    /// How the values of a used column are written.
    pub(crate) fn form(&self, tables: &Tables, which: SourceTable, at: usize) -> IdFormat {
        let form = match which == SourceTable::Orders && tables.status_at() == Some(at) {
            true => self.status,
            false => self.forms[which as usize].get(at).copied().flatten(),
        };
        form.unwrap_or(IdFormat::Plain)
    }
}
