//! One list from several: the lists of the sources of a chain, the first of them first.

/// How the lists of a chain become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// A source fills the places that the sources before it left free.
    Fill,
    /// The sources take turns: the first places of all lists come first.
    Interleave,
}

/// The first `size` distinct entries of `lists`, each with the number of the list it comes from.
#[must_use]
pub fn mixed<P: Copy + PartialEq>(mix: Mix, lists: &[Vec<P>], size: usize) -> Vec<(P, usize)> {
    let mut all: Vec<(P, usize)> = Vec::with_capacity(size);
    let mut add = |entry: P, list: usize| {
        if all.len() < size && all.iter().all(|(other, _)| *other != entry) {
            all.push((entry, list));
        }
    };
    match mix {
        Mix::Fill => lists.iter().enumerate().for_each(|(list, rows)| rows.iter().for_each(|row| add(*row, list))),
        Mix::Interleave => {
            let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
            let places =
                (0..longest).flat_map(|place| lists.iter().enumerate().map(move |(list, rows)| (place, list, rows)));
            places.for_each(|(place, list, rows)| rows.get(place).into_iter().for_each(|row| add(*row, list)));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_fill_up_or_take_turns_without_repeating() {
        let lists = [vec![1, 2], vec![2, 3, 4, 5], vec![], vec![6]];
        assert_eq!(mixed(Mix::Fill, &lists, 5), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 1)]);
        assert_eq!(mixed(Mix::Interleave, &lists, 5), [(1, 0), (2, 1), (6, 3), (3, 1), (4, 1)]);
        assert_eq!(mixed(Mix::Fill, &lists, 9).last(), Some(&(6, 3)));
        assert_eq!(mixed::<u8>(Mix::Interleave, &[], 3), []);
    }
}
