//! The lists as they are now, as a copier reads them.

use dataflow::graph::TouchedList;
use dataflow::time::Time;

use super::list_name::ListName;
use super::rows::CopiedRow;

/// A list as of one time.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// Another process writes this list, or this one does not know it yet: the copy is left as it is.
    Elsewhere,
    /// The rows as of this time; none if there is no such list, or if it is not to be copied.
    Rows(Time, Vec<CopiedRow>),
}

/// The lists of this process.
pub trait ShownLists: Send {
    /// Whether the lists are complete: before that, a list that is missing proves nothing.
    fn is_ready(&self) -> bool;

    /// The time as of which lists are read now. Never goes back.
    fn as_of(&self) -> Time;

    /// A list as of now.
    fn read(&mut self, name: &ListName) -> Shown;

    /// Everything of which this process has lists to copy.
    fn all(&self) -> Vec<TouchedList>;

    /// The names of the lists to copy that change with `touched`.
    fn names(&mut self, touched: TouchedList) -> Vec<ListName>;
}
