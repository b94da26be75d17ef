//! The parts of the graph that can be built.

/// The part of the graph that is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GraphPart {
    /// All of it.
    Whole,
    /// The tables and indexes that features are made from. None of them follows the edge of the window, so rows may have times of
    /// their own within a tick: see [`begin_tick`](crate::inputs::Inputs::begin_tick).
    Features,
}
