//! The events of sessions that are held: the rows behind the gaps among the features of users.
//!
//! ```text
//! session events ─▶ open sessions (with the owner of the user) ─▶ gaps, made when features are read
//!                     └▶ the users to settle later (Settling)
//! ```
//! The index is the arranged table itself.

use std::cell::RefCell;
use std::rc::Rc;

use differential_dataflow::trace::BatchReader;
use differential_dataflow::trace::cursor::{Cursor, Navigable};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::index::{Index, Placement, Published, Wiring};
use crate::graph_part::GraphPart;
use crate::ids::UserKey;
use crate::rules::Rules;
use crate::sessions::Settling;
use crate::tables::{SessionEvent, SessionEvents};
use crate::time::Diff;

/// The index of sessions that are held. Key: user. Row: an event of a session. Difference: the number of such events. Changes
/// with events, and when rows are settled.
pub struct OpenSessions;

impl Index for OpenSessions {
    const NAME: &'static str = "open_sessions";
    const PLACEMENT: Placement = Placement::Sharded;
    const OF_FEATURES: bool = true;
    type Key = UserKey;
    type Row = SessionEvent;
    type Stored = SessionEvent;
    type Count = Diff;

    fn is_on(rules: &Rules) -> bool {
        rules.features.enabled
    }

    fn route(user: &UserKey) -> u64 {
        user.route()
    }

    fn read(event: &SessionEvent, copies: Diff) -> Option<(SessionEvent, Diff)> {
        Some((*event, copies))
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        Published::unlisted(wiring.by_key::<SessionEvents>())
    }
}

/// Notes each row that comes to this worker, so that it is settled in time.
pub(super) fn note_rows(wiring: &Wiring<'_>) -> Rc<RefCell<Settling>> {
    let settling = Settling::new(wiring.rules().sessions.events_max);
    let settling = match wiring.part() {
        GraphPart::Whole => settling,
        GraphPart::Features => settling.all_together(),
    };
    let settling = Rc::new(RefCell::new(settling));
    if !OpenSessions::is_on(wiring.rules()) {
        return settling;
    }
    let noted = settling.clone();
    wiring.by_key::<SessionEvents>().stream.sink(Pipeline, "SessionsToSettle", move |(batches, _)| {
        batches.for_each(|_, data| {
            for batch in data.drain(..).filter(|batch| !batch.is_empty()) {
                let mut cursor = batch.cursor();
                while let Some(user) = cursor.get_key(&batch) {
                    while let Some(event) = cursor.get_val(&batch) {
                        let mut comes = false;
                        cursor.map_times(&batch, |_, copies| comes |= *copies > 0);
                        if comes {
                            noted.borrow_mut().note(*user, event);
                        }
                        cursor.step_val(&batch);
                    }
                    cursor.step_key(&batch);
                }
            }
        });
    });
    settling
}
