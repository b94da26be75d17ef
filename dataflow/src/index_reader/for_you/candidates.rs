//! The candidates of one ranking: each product once, found by its key.

use crate::ids::ProductKey;

/// The state of a product among the candidates.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) product: ProductKey,
    /// The sum of the terms of the score, before the candidate's own factor.
    pub(super) sum: u64,
    /// The largest weight with one product of the history.
    pub(super) weight_max: i32,
    /// Must not be recommended.
    pub(super) left_out: bool,
    /// The place among the results, from 1; 0 if it is not a result.
    pub(super) rank: u32,
    slot: usize,
}

/// A set of candidates. It keeps its memory from one ranking to the next.
#[derive(Default)]
pub(super) struct Candidates {
    /// For each slot of the hash table the number of its candidate, counted from 1; 0 if there is none.
    slots: Vec<u32>,
    all: Vec<Candidate>,
}

impl Candidates {
    /// Removes all candidates, and makes room for `most`.
    pub(super) fn clear(&mut self, most: usize) {
        let size = (2 * most).next_power_of_two();
        if self.slots.len() < size {
            self.slots = vec![0; size];
        } else {
            self.all.iter().for_each(|candidate| self.slots[candidate.slot] = 0);
        }
        self.all.clear();
    }

    /// The number of a product's candidate, which is added if there is none. There must be room.
    pub(super) fn number(&mut self, product: ProductKey) -> usize {
        // Keys of products are hashes already.
        let mask = self.slots.len() - 1;
        let mut slot = usize::try_from(product.route() & mask as u64).expect("a slot's number is small");
        loop {
            match self.slots[slot] {
                0 => break,
                number if self.all[number as usize - 1].product == product => return number as usize - 1,
                _ => slot = (slot + 1) & mask,
            }
        }
        let number = self.all.len();
        self.slots[slot] = u32::try_from(number + 1).expect("candidates are few");
        self.all.push(Candidate { product, sum: 0, weight_max: 0, left_out: false, rank: 0, slot });
        number
    }

    pub(super) fn get_mut(&mut self, number: usize) -> &mut Candidate {
        &mut self.all[number]
    }

    pub(super) fn all(&self) -> &[Candidate] {
        &self.all
    }
}
