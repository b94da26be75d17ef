//! All that is needed to read the values of a row, wherever they come from: encoding, forms of ids, how times are written.

use std::sync::Arc;

use postgres::GenericClient;

use super::charset::Charset;
use super::form::Form;
use super::layout::{Layout, TimeKind};
use super::names::{Tables, Which};
use super::zone::{Zone, Zones};

/// How values are spelt in the tables. The default is UTF-8, UTC, and ids as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spelling {
    pub(super) charset: Charset,
    /// By table and used column, as in [`super::ids::IdColumns`].
    pub(super) forms: [[Option<Form>; 2]; 3],
    /// How the orders' status is written.
    pub(super) status: Option<Form>,
    /// The kind of the orders' time column.
    pub(super) time: Option<TimeKind>,
    /// The zone of local times.
    pub(super) zone: Arc<Zone>,
}

impl Spelling {
    /// Of tables of that layout.
    pub(super) fn read(
        client: &mut impl GenericClient,
        layout: &Layout,
        zones: &mut Zones,
    ) -> Result<Spelling, postgres::Error> {
        let zone = zones.get(client, layout.zone.as_deref())?;
        let (forms, status) = (layout.ids.forms, layout.status);
        Ok(Spelling { charset: layout.charset, forms, status, time: layout.time, zone })
    }

    /// How the values of a used column are written.
    pub(super) fn form(&self, tables: &Tables, which: Which, at: usize) -> Form {
        let form = match which == Which::Orders && tables.status_at() == Some(at) {
            true => self.status,
            false => self.forms[which as usize].get(at).copied().flatten(),
        };
        form.unwrap_or(Form::Plain)
    }
}
