//! The two kinds of time and the one kind of difference, fixed once for the whole graph.

/// Service time, in milliseconds since the Unix epoch: the timestamp of every dataflow update.
///
/// It comes from the service clock, never from an event, so that no event can stop or advance the frontier.
pub type Time = u64;

/// Event time, in milliseconds since the Unix epoch: plain data that orders histories and ends windows.
pub type Millis = u64;

/// How many copies of a row an update adds (positive) or takes away (negative).
pub type Diff = isize;

/// The service clock; the graph itself has no clock.
///
/// Implementations never go back: a call returns at least what any earlier call returned.
pub trait ServiceClock: Send + Sync {
    /// The service time now.
    fn now(&self) -> Time;
}
