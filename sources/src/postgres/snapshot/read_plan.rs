//! The transaction in which tables are read, and the queries of each: for polling, for the log's snapshot and for a replay.

use dataflow::dictionary::Dictionary;
use dataflow::time::Millis;
use postgres::{Client, IsolationLevel, Transaction};

use crate::postgres::Settings;
use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::names::SourceTable;
use crate::postgres::rows::table_scan::{RowSink, TableQuery, TableScan};
use crate::postgres::schema::layout::{self, Layout};
use crate::postgres::schema::value_format::ValueFormat;
use crate::postgres::session::error::Error;
use crate::postgres::snapshot::queries::{self, Queries};
use crate::postgres::snapshot::unreadable_rows::{ATTEMPTS_MAX, UnreadableRows};
use crate::postgres::values::zone::Zones;
use crate::refusals::Refusals;

/// The tables to read, and how.
#[derive(Clone, Copy)]
pub(crate) struct ReadPlan<'a> {
    pub(crate) settings: &'a Settings,
    /// The name of an exported snapshot; none: the tables as they are now.
    pub(crate) snapshot: Option<&'a str>,
    /// The tables that are left out, because they cannot be read.
    pub(crate) without: [bool; 3],
    /// Orders created after this time count.
    pub(crate) cutoff: Millis,
    /// The columns that identify a line, if the log is followed afterwards.
    pub(crate) key: Option<&'a [String]>,
}

/// The state that one reading leaves to the next.
#[derive(Default)]
pub(crate) struct TableReadState {
    /// The zones of times that are stored without one.
    pub(crate) zones: Zones,
    /// Rows that the server could not read.
    pub(crate) unreadable: UnreadableRows,
}

/// An open transaction, and the layout of its tables.
pub(crate) struct OpenRead<'c> {
    pub(crate) transaction: Transaction<'c>,
    pub(crate) layout: Layout,
    pub(crate) format: ValueFormat,
}

impl<'a> ReadPlan<'a> {
    pub(crate) fn open<'c>(&self, client: &'c mut Client, zones: &mut Zones) -> Result<OpenRead<'c>, Error> {
        let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let mut transaction = transaction.start()?;
        if let Some(snapshot) = self.snapshot {
            transaction.batch_execute(&queries::join(snapshot))?;
        }
        transaction.batch_execute(&queries::limits(self.settings.statement_timeout))?;
        let (layout, findings) = layout::found(&mut transaction, &self.settings.tables)?;
        let findings: Vec<Diagnostic> = findings
            .into_iter()
            .filter(|(which, _)| !self.without[*which as usize])
            .map(|(_, finding)| finding)
            .collect();
        if !findings.is_empty() {
            return Err(Error::Layout(findings));
        }
        let format = ValueFormat::read(&mut transaction, &layout, zones)?;
        Ok(OpenRead { transaction, layout, format })
    }

    pub(crate) fn queries<'q>(&'q self, layout: &'q Layout, format: &'q ValueFormat) -> Queries<'q> {
        Queries { tables: &self.settings.tables, layout, zone: &format.zone, cutoff: self.cutoff }
    }

    /// The query of a table.
    pub(crate) fn source(&self, which: SourceTable, layout: &Layout, format: &ValueFormat) -> TableQuery<'a> {
        let queries = self.queries(layout, format);
        let (query, key) = match which {
            SourceTable::Products => (queries.products(), None),
            SourceTable::Orders => (queries.orders(), None),
            SourceTable::OrderItems => (queries.lines(self.key), self.key),
        };
        TableQuery::new(&self.settings.tables, which, query, format, key)
    }

    /// Passes every row of the tables to `sink`, without the rows that the server cannot read.
    pub(crate) fn read_tables(
        &self,
        opened: &mut OpenRead<'_>,
        unreadable: &mut UnreadableRows,
        dictionary: &Dictionary,
        refusals: &mut Refusals,
        scan: &TableScan<'_>,
        sink: &mut impl RowSink,
    ) -> Result<(), Error> {
        let OpenRead { transaction, layout, format } = opened;
        for which in SourceTable::ALL.into_iter().filter(|which| !self.without[*which as usize]) {
            let mut source = self.source(which, layout, format);
            scan.exclude_unreadable_rows(transaction, unreadable, &mut source, refusals)?;
            scan.table(transaction, &source, dictionary, refusals, sink)?;
        }
        Ok(())
    }

    /// Reads with `attempt`, and again without the rows at which the server failed.
    pub(crate) fn attempts<T>(
        &self,
        client: &mut Client,
        state: &mut TableReadState,
        scan: &TableScan<'_>,
        mut attempt: impl FnMut(OpenRead<'_>, &mut UnreadableRows) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let TableReadState { zones, unreadable } = state;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (which, failed) = match attempt(self.open(client, zones)?, unreadable) {
                Err(error @ Error::Row { which, .. }) if attempts < ATTEMPTS_MAX => (which, error),
                done => return done,
            };
            let OpenRead { mut transaction, layout, format } = self.open(client, zones)?;
            let source = self.source(which, &layout, &format);
            if !scan.find_unreadable_rows(&mut transaction, unreadable, which, &source)? {
                return Err(failed);
            }
            transaction.commit()?;
        }
    }
}
