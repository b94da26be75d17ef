//! The transaction in which tables are read, and what is read of each in it: for a refresh, for the log's snapshot, and for a
//! replay.

use dataflow::dictionary::Dictionary;
use dataflow::time::Millis;
use postgres::{Client, IsolationLevel, Transaction};

use super::Settings;
use super::damage::{ATTEMPTS_MAX, Damage};
use super::diagnostic::Diagnostic;
use super::error::Error;
use super::layout::{self, Layout};
use super::names::Which;
use super::spelling::Spelling;
use super::sql::{self, Queries};
use super::table::{RowSink, Scan, Source};
use super::zone::Zones;
use crate::refusals::Refusals;

/// What is to be read.
#[derive(Clone, Copy)]
pub(super) struct Opening<'a> {
    pub(super) settings: &'a Settings,
    /// The name of an exported snapshot; none: the tables as they are now.
    pub(super) snapshot: Option<&'a str>,
    /// The tables that are left out, because they cannot be read.
    pub(super) without: [bool; 3],
    /// Orders count that are later than this.
    pub(super) cutoff: Millis,
    /// The columns whose values tell a line, where the log is gone on from.
    pub(super) key: Option<&'a [String]>,
}

/// An open transaction, and what its tables look like.
pub(super) struct Opened<'c> {
    pub(super) transaction: Transaction<'c>,
    pub(super) layout: Layout,
    pub(super) spelling: Spelling,
}

impl<'a> Opening<'a> {
    pub(super) fn open<'c>(&self, client: &'c mut Client, zones: &mut Zones) -> Result<Opened<'c>, Error> {
        let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let mut transaction = transaction.start()?;
        if let Some(snapshot) = self.snapshot {
            transaction.batch_execute(&sql::join(snapshot))?;
        }
        transaction.batch_execute(&sql::limits(self.settings.statement_timeout))?;
        let (layout, findings) = layout::found(&mut transaction, &self.settings.tables)?;
        let findings: Vec<Diagnostic> = findings
            .into_iter()
            .filter(|(which, _)| !self.without[*which as usize])
            .map(|(_, finding)| finding)
            .collect();
        if !findings.is_empty() {
            return Err(Error::Layout(findings));
        }
        let spelling = Spelling::read(&mut transaction, &layout, zones)?;
        Ok(Opened { transaction, layout, spelling })
    }

    pub(super) fn queries<'q>(&'q self, layout: &'q Layout, spelling: &'q Spelling) -> Queries<'q> {
        Queries { tables: &self.settings.tables, layout, zone: &spelling.zone, cutoff: self.cutoff }
    }

    /// What is read of a table.
    pub(super) fn source(&self, which: Which, layout: &Layout, spelling: &Spelling) -> Source<'a> {
        let queries = self.queries(layout, spelling);
        let (query, key) = match which {
            Which::Products => (queries.products(), None),
            Which::Orders => (queries.orders(), None),
            Which::OrderItems => (queries.lines(self.key), self.key),
        };
        Source::new(&self.settings.tables, which, query, spelling, key)
    }

    /// Gives every row of the tables to `sink`, without the rows that the server cannot read.
    pub(super) fn read_tables(
        &self,
        opened: &mut Opened<'_>,
        damage: &mut Damage,
        dictionary: &Dictionary,
        refusals: &mut Refusals,
        scan: &Scan<'_>,
        sink: &mut impl RowSink,
    ) -> Result<(), Error> {
        let Opened { transaction, layout, spelling } = opened;
        for which in Which::ALL.into_iter().filter(|which| !self.without[*which as usize]) {
            let mut source = self.source(which, layout, spelling);
            scan.without_damage(transaction, damage, &mut source, refusals)?;
            scan.table(transaction, &source, dictionary, refusals, sink)?;
        }
        Ok(())
    }

    /// Reads with `attempt`, and again without the rows at which the server failed.
    pub(super) fn attempts<T>(
        &self,
        client: &mut Client,
        zones: &mut Zones,
        damage: &mut Damage,
        scan: &Scan<'_>,
        mut attempt: impl FnMut(Opened<'_>, &mut Damage) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (which, failed) = match attempt(self.open(client, zones)?, damage) {
                Err(error @ Error::Row { which, .. }) if attempts < ATTEMPTS_MAX => (which, error),
                done => return done,
            };
            let Opened { mut transaction, layout, spelling } = self.open(client, zones)?;
            let source = self.source(which, &layout, &spelling);
            if !scan.find_damage(&mut transaction, damage, which, &source)? {
                return Err(failed);
            }
            transaction.commit()?;
        }
    }
}
