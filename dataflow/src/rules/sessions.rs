//! The settings of sessions.

use settings::whole;

settings::section! {
    /// Sessions, from which the time on a page is made where an event does not state it. docs/features.md explains it.
    #[derive(Copy)]
    pub struct SessionRules in "features.sessions" {
        /// Number of events of one session that are held at least. If a session has about twice as many in an hour, as of a
        /// bot, the times of its older pages become final at once; an event that comes late does not change them any more.
        events_max: usize = 1000, "events", whole(10, 1_000_000);
    }
}
