//! The state of a source.

/// The state of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The source reads the records that were there when it started; answers are not complete yet.
    CatchingUp,
    /// The source has read these records and follows new ones.
    Live,
    /// A failure that may pass by itself: the source retries for ever. Holds the reason.
    Retrying(String),
    /// A failure that a person must repair: this source has stopped. Holds the reason and the remedy.
    Stopped(String),
}
