//! Zipf's law by Walker's alias method: rank r is drawn in proportion to 1 / r^s, at the same cost for any number of ranks.

use super::rng::Rng;

/// A distribution over ranks from 0.
#[derive(Debug)]
pub(super) struct Zipf {
    keep: Vec<f32>,
    alias: Vec<u32>,
}

impl Zipf {
    /// Zipf's law with that exponent over the given ranks (from 0), which need not be next to each other.
    pub(super) fn over(ranks: impl ExactSizeIterator<Item = u32>, exponent: f64) -> Zipf {
        let weights: Vec<f64> = ranks.map(|rank| (f64::from(rank) + 1.0).powf(-exponent)).collect();
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        let mut share: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..share.len() as u32).partition(|&at| share[at as usize] < 1.0);
        let mut keep = vec![1.0; share.len()];
        let mut alias: Vec<u32> = (0..share.len() as u32).collect();
        while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
            keep[poor as usize] = share[poor as usize] as f32;
            alias[poor as usize] = rich;
            share[rich as usize] -= 1.0 - share[poor as usize];
            if share[rich as usize] < 1.0 {
                large.pop();
                small.push(rich);
            }
        }
        Zipf { keep, alias }
    }

    /// The place of the drawn rank among the given ones.
    pub(super) fn draw(&self, rng: &mut Rng) -> u32 {
        let at = rng.below(self.keep.len() as u32);
        if rng.unit() < f64::from(self.keep[at as usize]) { at } else { self.alias[at as usize] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_in_proportion() {
        let zipf = Zipf::over(0..4, 1.0);
        let mut rng = Rng::new(7, "zipf");
        let mut counts = [0.0; 4];
        const DRAWS: u32 = 200_000;
        (0..DRAWS).for_each(|_| counts[zipf.draw(&mut rng) as usize] += 1.0);
        for (rank, count) in counts.into_iter().enumerate() {
            let expected = 1.0 / (rank as f64 + 1.0) / (25.0 / 12.0);
            assert!(
                (count / f64::from(DRAWS) - expected).abs() < 0.01,
                "rank {rank}: {count}, expected a share of {expected}"
            );
        }
    }
}
