//! Decides whether the log continues from the rows held, which transactions are new, and what the server may forget.
//!
//! ```text
//!  rows held? ─ no ──────────────────────────────────────────────────────────────┐
//!      │                                                                         │
//!  does the log end behind them? ─ no: the server was put back ──────────────────┤
//!      │                                                                         ├─▶ all tables again
//!  does the slot keep the log from there on? ─ no: gone, lost, moved on ─────────┤
//!      │                                                                         │
//!  did the publication have all tables? ─ no ────────────────────────────────────┤
//!      │                                                                         │
//!  was every table followed? ─ no, and one that was not can be read now ─────────┘
//!      ▼
//!  on from where the rows stand
//! ```
//! Before that the server itself is recognised: its tables replace rows of another server only after a person has adopted it.
//! A standby that has taken over (the same system, a later timeline) is adopted by itself: the rows differ from its tables
//! by the transactions that it had not received, and the difference is one tick.
//!
//! A new reading begins with the removal of the slot. Its absence outlives the process: it tells the next process that the
//! log does not continue from the rows that are kept. Only then is the publication repaired, which would leave no trace.

use dataflow::feed::StreamFingerprint;

use crate::postgres::Resumed;
use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::follow::slot::Slot;
use crate::postgres::names::SourceTable;
use crate::postgres::session::lsn::Lsn;
use crate::postgres::session::replication::ServerIdentity;

/// Rows of one place in one server's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncedAt {
    /// The place up to which all changes are among the rows.
    pub(crate) place: Lsn,
    pub(crate) system: u64,
    pub(crate) timeline: i64,
}

impl SyncedAt {
    /// What the rows can be known to belong to.
    pub(crate) fn fingerprint(&self) -> StreamFingerprint {
        StreamFingerprint { at: self.timeline, hash: self.system }
    }
}

/// The relation of the server that answers to the rows held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerOrigin {
    /// The rows came from it, or there are none.
    Same,
    /// Its tables may replace the rows, and its log does not continue from them. Holds the reason.
    Successor(String),
    /// No operator has adopted it. Holds the server that the rows came from.
    Unknown(SyncedAt),
}

/// The place of the rows held, and whether the log continues from there.
#[derive(Clone, Debug)]
pub(crate) struct ResumeState {
    /// None before the first reading.
    pub(crate) held: Option<SyncedAt>,
    /// Why the log does not continue from the rows held, if so.
    stale: Option<String>,
    /// Why the log does not continue from the rows of a table, by table: changes of it were skipped since it was read.
    missed: [Option<String>; 3],
}

/// The findings on the server that the rows came from.
pub(crate) struct ServerFindings<'a> {
    /// The slot, and its name.
    pub(crate) slot: (&'a Slot, &'a str),
    /// The end of the server's log.
    pub(crate) end: Lsn,
    /// Whether the publication does not send all changes that are needed.
    pub(crate) altered: bool,
    /// The tables that cannot be read or followed.
    pub(crate) broken: [bool; 3],
}

/// The decision on connecting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResumeDecision {
    /// The log is followed from the place of the rows.
    GoOn,
    /// All readable tables are read as of a new slot. Holds the reason.
    Resync(String),
    /// Nothing, until an operator solves this problem.
    Mend(Diagnostic),
    /// Nothing, until this is over.
    Wait(Diagnostic),
}

impl ResumeState {
    /// The state of the rows of an earlier process.
    pub(crate) fn of(resumed: Option<&Resumed>) -> ResumeState {
        let held = resumed.and_then(|rows| {
            let StreamFingerprint { at, hash } = rows.fingerprint?;
            Some(SyncedAt { place: Lsn(rows.lsn), system: hash, timeline: at })
        });
        let nowhere = held.is_some_and(|held| held.place == Lsn(0));
        let stale =
            nowhere.then(|| "a table could not be followed, or a row was missing, when the rows were kept".to_owned());
        ResumeState { held, stale, missed: [None, None, None] }
    }

    /// The place up to which all changes are among the rows.
    pub(crate) fn place(&self) -> Lsn {
        self.held.map_or(Lsn(0), |held| held.place)
    }

    /// The relation of that server to the rows held; `adopted`: an operator has named it as their successor.
    pub(crate) fn origin(&self, server: &ServerIdentity, adopted: bool) -> ServerOrigin {
        let Some(held) = self.held else { return ServerOrigin::Same };
        let (system, timeline) = (server.system, server.timeline);
        if (held.system, held.timeline) == (system, timeline) {
            return ServerOrigin::Same;
        }
        if held.system == system && held.timeline < timeline {
            let before = held.timeline;
            return ServerOrigin::Successor(format!(
                "another copy of the server has taken over: timeline {before} became {timeline}"
            ));
        }
        if adopted {
            return ServerOrigin::Successor(format!(
                "the server of system {system} was adopted, in the place of {}",
                held.system
            ));
        }
        ServerOrigin::Unknown(held)
    }

    /// Decides how to continue on a new connection.
    pub(crate) fn decide(&self, found: &ServerFindings<'_>) -> ResumeDecision {
        let (slot, name) = found.slot;
        let stale = |other: String| ResumeDecision::Resync(self.stale.clone().unwrap_or(other));
        let place = match (slot, self.held) {
            (Slot::Refused(finding), _) => return ResumeDecision::Mend(finding.clone()),
            (Slot::Busy(finding), _) => return ResumeDecision::Wait(finding.clone()),
            (_, None) => return ResumeDecision::Resync("nothing was kept".to_owned()),
            (_, Some(held)) if held.place > found.end => {
                let (end, place) = (found.end, held.place);
                return ResumeDecision::Resync(format!(
                    "the server's log ends at {end}, before the rows held, which are of {place}: it was put back"
                ));
            }
            (Slot::Missing, _) => return stale(format!("the replication slot {name} is gone")),
            (Slot::Lost, _) => {
                return stale(format!("the server has not kept its log for the replication slot {name}"));
            }
            (Slot::At(place), Some(held)) if *place > held.place => {
                return stale(format!("the replication slot {name} was moved on to {place}"));
            }
            (Slot::At(place), Some(_)) => *place,
        };
        if found.altered {
            return stale(format!("the publication did not have all tables from {place} on"));
        }
        // While a table cannot be read, the others are followed.
        let missed =
            self.missed.iter().zip(found.broken).find_map(|(missed, broken)| missed.as_ref().filter(|_| !broken));
        self.stale.as_ref().or(missed).map_or(ResumeDecision::GoOn, |reason| ResumeDecision::Resync(reason.clone()))
    }

    /// From here on the log does not continue from the rows held.
    pub(crate) fn spoil(&mut self, reason: String) {
        self.stale.get_or_insert(reason);
    }

    /// From here on changes of that table are skipped.
    pub(crate) fn miss(&mut self, which: SourceTable, reason: String) {
        self.missed[which as usize].get_or_insert(reason);
    }

    /// Whether changes of that table were skipped since it was read.
    pub(crate) fn has_missed(&self, which: SourceTable) -> bool {
        self.missed[which as usize].is_some()
    }

    /// The tables were read as of this place of this server's log. Changes of tables that could not be read are missed from
    /// then on.
    pub(crate) fn read(&mut self, place: Lsn, server: &ServerIdentity) -> SyncedAt {
        let held = SyncedAt { place, system: server.system, timeline: server.timeline };
        self.held = Some(held);
        (self.stale, self.missed) = (None, [None, None, None]);
        held
    }

    /// A transaction that ends at `end` is complete. Returns whether it is new: the server may send transactions again that
    /// are among the rows already.
    pub(crate) fn take(&mut self, end: Lsn) -> bool {
        let is_new = self.held.is_some_and(|held| end > held.place);
        self.hear(end);
        is_new
    }

    /// All transactions before `place` have been received.
    pub(crate) fn hear(&mut self, place: Lsn) {
        if let Some(held) = &mut self.held {
            held.place = held.place.max(place);
        }
    }

    /// The place to confirm to the server when everything before `kept` is durable. Never beyond the rows: after a restore of
    /// the server, a place of its earlier log would make it skip new transactions. Never before `floor`, the place that it
    /// knows already: older servers would move the slot back.
    pub(crate) fn confirmed(&self, kept: Lsn, floor: Lsn) -> Lsn {
        kept.min(self.place()).max(floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: ServerIdentity = ServerIdentity { system: 7, timeline: 1, end: Lsn(900) };

    fn at(lsn: i64) -> ResumeState {
        ResumeState::of(Some(&Resumed {
            lsn,
            fingerprint: Some(StreamFingerprint { at: 1, hash: 7 }),
            ..Resumed::default()
        }))
    }

    fn found(slot: &Slot) -> ServerFindings<'_> {
        ServerFindings { slot: (slot, "vitrine"), end: SERVER.end, altered: false, broken: [false; 3] }
    }

    /// Why all tables are read again; none if they are not.
    fn anew(standing: &ResumeState, found: &ServerFindings<'_>) -> Option<String> {
        match standing.decide(found) {
            ResumeDecision::GoOn => None,
            ResumeDecision::Resync(reason) => Some(reason),
            ResumeDecision::Mend(finding) | ResumeDecision::Wait(finding) => panic!("{finding}"),
        }
    }

    #[test]
    fn a_slot_that_keeps_the_log_from_the_rows_on_is_gone_on_from() {
        for confirmed in [1, 499, 500] {
            assert_eq!(anew(&at(500), &found(&Slot::At(Lsn(confirmed)))), None, "{confirmed}");
        }
        assert_eq!(anew(&at(900), &found(&Slot::At(Lsn(500)))), None, "all of the log is among the rows");
    }

    #[test]
    fn a_copy_that_took_over_is_gone_on_with_and_any_other_server_when_a_person_says_so() {
        let server = |system, timeline| ServerIdentity { system, timeline, end: Lsn(900) };
        let standing = at(500);
        let held = standing.held.unwrap();
        for adopted in [false, true] {
            assert_eq!(standing.origin(&SERVER, adopted), ServerOrigin::Same);
            assert_eq!(ResumeState::of(None).origin(&server(8, 3), adopted), ServerOrigin::Same, "there are no rows");
            let ServerOrigin::Successor(reason) = standing.origin(&server(7, 3), adopted) else {
                panic!("it took over")
            };
            assert_eq!(reason, "another copy of the server has taken over: timeline 1 became 3");
        }
        let mut later = standing.clone();
        later.read(Lsn(500), &server(7, 3));
        for (standing, server, held) in [(&standing, server(8, 1), held), (&later, SERVER, later.held.unwrap())] {
            assert_eq!(
                standing.origin(&server, false),
                ServerOrigin::Unknown(held),
                "as it was before it took over, or another"
            );
            assert!(matches!(standing.origin(&server, true), ServerOrigin::Successor(_)));
        }
    }

    #[test]
    fn a_log_that_does_not_lead_on_is_not_gone_on_from() {
        let reason = |slot: Slot| anew(&at(500), &found(&slot)).expect("it is read anew");
        assert_eq!(reason(Slot::Missing), "the replication slot vitrine is gone");
        assert_eq!(reason(Slot::Lost), "the server has not kept its log for the replication slot vitrine");
        assert_eq!(reason(Slot::At(Lsn(501))), "the replication slot vitrine was moved on to 0/1F5");
        let altered = ServerFindings { altered: true, ..found(&Slot::At(Lsn(500))) };
        assert!(anew(&at(500), &altered).unwrap().contains("publication"));
        for slot in [Slot::Missing, Slot::Lost, Slot::At(Lsn(1))] {
            assert_eq!(anew(&ResumeState::of(None), &found(&slot)).as_deref(), Some("nothing was kept"));
        }
    }

    #[test]
    fn a_server_that_was_put_back_is_not_gone_on_from() {
        for slot in [Slot::Missing, Slot::Lost, Slot::At(Lsn(500)), Slot::At(Lsn(950))] {
            let reason = anew(&at(901), &found(&slot)).unwrap();
            assert_eq!(
                reason,
                "the server's log ends at 0/384, before the rows held, which are of 0/385: it was put back"
            );
        }
    }

    #[test]
    fn what_was_passed_over_is_read_as_soon_as_it_can_be() {
        let slot = Slot::At(Lsn(500));
        let mut standing = at(500);
        standing.miss(SourceTable::Products, "products could not be followed".to_owned());
        standing.miss(SourceTable::Products, "another reason".to_owned());
        let reason = Some("products could not be followed");
        assert_eq!(anew(&standing, &found(&slot)).as_deref(), reason);
        let with = |which: &[SourceTable]| ServerFindings {
            broken: SourceTable::ALL.map(|table| which.contains(&table)),
            ..found(&slot)
        };
        assert_eq!(anew(&standing, &with(&[SourceTable::Products])), None, "the others are gone on with");
        standing.miss(SourceTable::Orders, "orders could not be followed".to_owned());
        assert_eq!(anew(&standing, &with(&[SourceTable::Products, SourceTable::Orders])), None);
        assert_eq!(anew(&standing, &with(&[SourceTable::Orders])).as_deref(), reason, "one of the two can be");
        // What the log does not tell of the others either does not wait for it.
        let altered = ServerFindings { altered: true, ..with(&[SourceTable::Products, SourceTable::Orders]) };
        assert!(anew(&standing, &altered).is_some());
        let mut spoilt = standing.clone();
        spoilt.spoil("the publication was changed".to_owned());
        assert!(anew(&spoilt, &with(&[SourceTable::Products, SourceTable::Orders])).is_some());
        assert!(anew(&at(0), &with(&[SourceTable::Products])).is_some(), "an earlier process passed it over");
        standing.read(Lsn(600), &SERVER);
        assert_eq!((anew(&standing, &found(&slot)), standing.place()), (None, Lsn(600)));
    }

    #[test]
    fn a_slot_of_others_is_waited_for_or_mended() {
        let finding = Diagnostic { problem: "in use".to_owned(), mend: "stop it".to_owned() };
        for (slot, decision) in [
            (Slot::Busy(finding.clone()), ResumeDecision::Wait(finding.clone())),
            (Slot::Refused(finding.clone()), ResumeDecision::Mend(finding)),
        ] {
            assert_eq!(at(500).decide(&found(&slot)), decision);
        }
    }

    #[test]
    fn what_is_sent_again_is_not_new() {
        let mut standing = at(500);
        assert!(!standing.take(Lsn(400)) && !standing.take(Lsn(500)));
        assert!(standing.take(Lsn(501)) && !standing.take(Lsn(501)));
        standing.hear(Lsn(450));
        assert_eq!(standing.place(), Lsn(501));
        standing.hear(Lsn(700));
        assert!(!standing.take(Lsn(650)) && standing.take(Lsn(701)));
    }

    #[test]
    fn no_more_is_confirmed_than_was_kept_and_taken_and_no_less_than_before() {
        let standing = at(500);
        let told = |kept, floor| standing.confirmed(Lsn(kept), Lsn(floor));
        assert_eq!((told(400, 300), told(300, 400), told(0, 0)), (Lsn(400), Lsn(400), Lsn(0)));
        assert_eq!(told(600, 400), Lsn(500), "of the log before the server was put back");
    }
}
