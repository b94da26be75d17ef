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
    /// The number of its last term, from 1; 0 if there is none.
    pub(super) last_term: u32,
    slot: u32,
    /// Must not be recommended.
    pub(super) left_out: bool,
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
            self.all.iter().for_each(|candidate| self.slots[candidate.slot as usize] = 0);
        }
        self.all.clear();
    }

    /// The candidate of a product, which is added if there is none. There must be room.
    #[inline]
    pub(super) fn of(&mut self, product: ProductKey) -> &mut Candidate {
        // Keys of products are hashes already.
        let mask = self.slots.len() - 1;
        let mut slot = usize::try_from(product.route() & mask as u64).expect("a slot's number is small");
        loop {
            match self.slots[slot] {
                0 => break,
                number if self.all[number as usize - 1].product == product => {
                    return &mut self.all[number as usize - 1];
                }
                _ => slot = (slot + 1) & mask,
            }
        }
        let number = u32::try_from(self.all.len() + 1).expect("candidates are few");
        self.slots[slot] = number;
        let slot = u32::try_from(slot).expect("slots are few");
        self.all.push(Candidate { product, sum: 0, weight_max: 0, last_term: 0, slot, left_out: false });
        &mut self.all[number as usize - 1]
    }

    pub(super) fn all(&self) -> &[Candidate] {
        &self.all
    }
}
