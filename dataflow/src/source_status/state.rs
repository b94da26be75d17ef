//! How a source is doing.

/// How a source is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It reads what was there when it started; answers are not complete yet.
    CatchingUp,
    /// It has read what there was and follows.
    Live,
    /// Something that may pass by itself: it tries again, for ever. Holds the reason.
    Retrying(String),
    /// Something that needs a person: this source does not go on. Holds the reason and the mend.
    Stopped(String),
}
