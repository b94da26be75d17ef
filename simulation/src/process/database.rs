//! The database source of a process: the run decides when it receives the log.

use sources::postgres::{self, simulation};

use super::Process;
use crate::server::Transaction;

/// The places in the database's log that the rows of each table correspond to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RowsAt {
    /// The rows include every change before this place.
    pub(crate) places: [i64; 3],
    /// The tables were read as of this place.
    pub(crate) read: [i64; 3],
    /// How often tables or publication had been altered by then.
    alterations: u64,
}

impl Process {
    /// Receives at most `transactions` transactions of the database; connects first if there is no connection. Returns
    /// whether any arrived.
    pub(crate) fn follow(&mut self, transactions: usize) -> Result<bool, String> {
        let server = self.outside.server.clone();
        let Some(from) = self.connected else {
            let connected = self.connect()?;
            return Ok(connected);
        };
        let mut next = from;
        while next < from + transactions {
            let Some(transaction) = server.borrow().transaction(next) else { break };
            if !self.transact(&transaction)? {
                return Ok(true);
            }
            next += 1;
            self.connected = Some(next);
        }
        if server.borrow().transaction(next).is_none() {
            let end = server.borrow().end();
            let streams = self.following.keep_alive(end);
            self.note(streams)?;
        }
        Ok(next > from)
    }

    /// Receives one transaction; false if the session ended during it.
    fn transact(&mut self, transaction: &Transaction) -> Result<bool, String> {
        let Transaction { end, time, messages, .. } = transaction;
        let begun = self.following.begin(*end);
        if !self.note(begun)? {
            return Ok(false);
        }
        for message in messages {
            let told = self.following.change(message);
            if !self.note(told)? {
                return Ok(false);
            }
        }
        let whole = self.following.commit(*end, *time);
        self.note(whole)
    }

    /// Keeps the places of the rows. Returns whether the log still arrives.
    pub(super) fn note(&mut self, streams: Result<bool, simulation::FollowFailure>) -> Result<bool, String> {
        let streams = streams.map_err(|failure| failure.to_string())?;
        if let Some((place, without)) = self.following.take_reading() {
            self.readings += 1;
            self.rows.alterations = self.outside.server.borrow().alterations;
            for table in (0..3).filter(|table| !without[*table]) {
                (self.rows.places[table], self.rows.read[table]) = (place, place);
            }
        }
        if streams {
            let (place, broken) = (self.following.place(), self.following.broken());
            (0..3).filter(|table| !broken[*table]).for_each(|table| self.rows.places[table] = place);
        } else {
            self.connected = None;
        }
        Ok(streams)
    }

    /// Whether the source skips a table of the database.
    pub(crate) fn passes_over(&self) -> bool {
        self.following.broken().contains(&true)
    }

    /// The connection breaks, during the next transaction if there is one.
    pub(crate) fn disconnect(&mut self) -> Result<(), String> {
        let Some(next) = self.connected.take() else { return Ok(()) };
        let transaction = self.outside.server.borrow().transaction(next);
        if let Some(transaction) = transaction {
            let mut streams = self.following.begin(transaction.end);
            for message in &transaction.messages[..transaction.messages.len() / 2] {
                if !self.note(streams)? {
                    return Ok(());
                }
                streams = self.following.change(message);
            }
            self.note(streams)?;
        }
        self.connected = None;
        self.following.disconnect();
        Ok(())
    }

    /// Connects; returns whether the log arrives from now on.
    fn connect(&mut self) -> Result<bool, String> {
        let server = self.outside.server.clone();
        let (place, RowsAt { read, alterations, .. }) = (self.place(), self.rows);
        let leads_on = place.is_some_and(|place| server.borrow().leads_on(place));
        let leads_on = leads_on && alterations == server.borrow().alterations;
        let streams = self.following.connect();
        let streams = self.note(streams)?;
        if streams {
            self.connected = Some(server.borrow().first());
        }
        if leads_on && read != self.rows.read {
            return Err(format!("the slot was beyond what is durable, {place:?}: the tables were read again"));
        }
        Ok(streams)
    }

    /// The place in the database's log before which all changes have been fed, as a checkpoint would store it.
    pub(crate) fn place(&self) -> Option<i64> {
        let mut positions = Vec::new();
        self.following.positions(&mut positions);
        let of_rows = positions.iter().find(|position| &*position.stream == postgres::NAME)?;
        of_rows.fingerprint.map(|_| of_rows.next)
    }
}
