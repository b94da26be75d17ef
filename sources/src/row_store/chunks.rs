//! [`Chunks`]: a list that grows without moving what it holds, and whose free space is at most one chunk.

/// Elements in a chunk.
const CHUNK: usize = 1024;

/// A list of elements in chunks of one size.
pub(super) struct Chunks<T>(Vec<Vec<T>>);

impl<T> Chunks<T> {
    pub(super) fn new() -> Self {
        Chunks(Vec::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * CHUNK + last.len())
    }

    pub(super) fn get(&self, place: usize) -> &T {
        &self.0[place / CHUNK][place % CHUNK]
    }

    pub(super) fn get_mut(&mut self, place: usize) -> &mut T {
        &mut self.0[place / CHUNK][place % CHUNK]
    }

    pub(super) fn push(&mut self, element: T) {
        match self.0.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(element),
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(element);
                self.0.push(chunk);
            }
            // A list with few elements does not take a whole chunk.
            None => self.0.push(vec![element]),
        }
    }

    /// Removes an element, whose place the last one takes. The list must have this place.
    pub(super) fn swap_remove(&mut self, place: usize) -> T {
        let chunk = self.0.last_mut().expect("a list with a place has a chunk");
        let last = chunk.pop().expect("no chunk is empty");
        if chunk.is_empty() {
            self.0.pop();
        }
        if place == self.len() { last } else { std::mem::replace(self.get_mut(place), last) }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.0.iter().map(Vec::capacity).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_keep_their_places_and_the_last_one_fills_a_gap() {
        let (mut chunks, mut plain) = (Chunks::new(), Vec::new());
        for element in 0..3 * CHUNK {
            chunks.push(element);
            plain.push(element);
        }
        for step in 0..3 * CHUNK {
            let place = step * 7919 % plain.len();
            assert_eq!(chunks.swap_remove(place), plain.swap_remove(place));
            assert_eq!(chunks.len(), plain.len());
            assert!(plain.iter().enumerate().step_by(97).all(|(place, element)| chunks.get(place) == element));
        }
        assert_eq!(chunks.capacity(), 0);
    }
}
