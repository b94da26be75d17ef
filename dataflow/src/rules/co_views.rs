//! The numbers of the model of co-views: which products are similar, and what is recommended "for you".

use settings::{Kind, Value, whole};

use crate::time::Millis;

settings::choice! {
    /// How views and candidates are weighted.
    pub enum Weighting {
        /// For shops whose visitors look at few products at a time: the place of a view counts 1/(place + 1), and a
        /// candidate's viewers count with the exponent -1/4.
        Clicks = "clicks",
        /// For long histories, such as of films: a view counts half of the view three places before it, and a
        /// candidate's viewers count with the exponent -3/8.
        Films = "films",
    }
}

settings::section! {
    /// Similar products (people who viewed this also viewed) and recommendations "for you", from the histories of all
    /// users. docs/lists.md defines them.
    #[derive(Copy)]
    pub struct CoViews in "models.co_views" {
        /// Whether co-views are counted. While they are off they cost nothing.
        enabled: bool = "off", "word", Kind::Choice(&["off", "on"]) => |word: &Value| word.text() == "on";
        /// How often the counts of co-views change: at whole multiples of this time. Histories change at once.
        every_ms: Millis = 1000, "ms", whole(1, 60_000);
        /// Largest distance of two products in a history that count as viewed together. 0: as the weighting says, 10
        /// for "clicks" and 20 for "films".
        distance: usize = 0, "places", whole(0, 100);
        /// Number of similar products that a product has at most.
        similar: usize = 100, "products", whole(1, 1000);
        /// Number of newest products of a history from which recommendations are made.
        newest: usize = 30, "products", whole(1, 200);
        /// How views and candidates are weighted. "clicks": for shops whose visitors look at few products at a time.
        /// "films": for long histories.
        weighting: Weighting = "clicks", "word", Kind::Choice(Weighting::WORDS);
    }
}

impl CoViews {
    /// Co-views are not counted.
    pub const OFF: CoViews =
        CoViews { enabled: false, every_ms: 1000, distance: 0, similar: 100, newest: 30, weighting: Weighting::Clicks };

    /// Largest distance of two products in a history that count as viewed together.
    #[must_use]
    pub fn distance_max(&self) -> usize {
        match (self.distance, self.weighting) {
            (0, Weighting::Clicks) => 10,
            (0, Weighting::Films) => 20,
            (distance, _) => distance,
        }
    }

    /// The weight of two products at each distance from 0 to the largest: ⌊√⌊4096/distance⌋⌋, and 0 at distance 0.
    #[must_use]
    pub fn pair_weights(&self) -> Vec<i32> {
        let weight = |distance: u32| (4096_u32 / distance).isqrt().cast_signed();
        let distances = u32::try_from(self.distance_max()).expect("a distance is small");
        std::iter::once(0).chain((1..=distances).map(weight)).collect()
    }

    /// How many more similar products than asked for the graph keeps, so that a product's row is seldom read in full.
    #[must_use]
    pub fn slack(&self) -> usize {
        self.similar / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_are_those_of_the_definition() {
        let rules = CoViews::default();
        assert_eq!(rules, CoViews::OFF);
        assert_eq!(rules.pair_weights(), [0, 64, 45, 36, 32, 28, 26, 24, 22, 21, 20]);
        assert_eq!(CoViews { weighting: Weighting::Films, ..rules }.pair_weights().len(), 21);
        assert_eq!(CoViews { distance: 5, ..rules }.pair_weights().len(), 6);
    }
}
