//! `[models.als]`: how the factor model is trained and used.

use std::path::PathBuf;
use std::time::Duration;

use settings::{FromValue as _, Kind, Value, seconds, whole};

use super::Parameters;

settings::section! {
    /// The factor model (implicit ALS): trained by `vitrine train` or by schedule, used by the source "als" of
    /// recommendations. docs/models.md explains it.
    pub struct AlsSettings in "models.als" {
        /// Whether the server uses the model. While this is off it costs nothing.
        enabled: bool = "off", "word", Kind::Choice(&["off", "on"]) => |word: &Value| word.text() == "on";
        /// How often the server trains a model, at whole multiples of this time since 1970 (UTC), and once after the
        /// start if there is no model. 0: never. `vitrine train` trains one at any time.
        every as "every_s": Duration = 86_400, "s", whole(0, 31_536_000) => seconds;
        /// Directory for trained models. Vitrine creates it if necessary.
        dir: PathBuf = "models", "directory", Kind::Path { empty: false };
        /// Number of trained models to keep.
        keep: usize = 3, "models", whole(1, 1000);
        /// Length of the vectors. More factors tell more products apart, and take time with their square.
        factors: usize = 64, "numbers", whole(1, 512);
        /// How often both sides are solved in a training.
        iterations: u32 = 15, "times", whole(1, 1000) => number;
        /// What keeps the vectors of products with few viewers small, in thousandths.
        regularization_milli: u32 = 100, "1/1000", whole(1, 1_000_000) => number;
        /// How much a view adds to the confidence in a pair of user and product, whose confidence is 1 without.
        confidence: u32 = 10, "times", whole(0, 10_000) => number;
        /// Places in a history after which a product's weight has halved, when recommendations are asked for.
        half_life: u32 = 3, "places", whole(1, 1000) => number;
        /// Number of newest products of a history from which recommendations are made.
        newest: usize = 30, "products", whole(1, 1000);
        /// Seed of the first vectors. The same seed and input give the same model, to the byte.
        seed: u64 = 1, "number", whole(0, 4_294_967_295);
        /// Threads of a training. They run at the lowest priority.
        threads: usize = 1, "threads", whole(1, 256);
        /// Limit of the memory of a training. A training that needs more does not start.
        memory_bytes_max as "memory_max": u64 = 4_294_967_296, "bytes", whole(1 << 20, 1 << 40);
        /// The least number of pairs of user and product from which a model is learned.
        pairs_min: usize = 1000, "pairs", whole(1, 1_000_000_000);
    }
}

impl AlsSettings {
    /// The numbers of a training.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        Parameters {
            factors: self.factors,
            iterations: self.iterations,
            regularization: self.regularization_milli as f32 / 1000.0,
            confidence: self.confidence as f32,
            seed: self.seed,
            memory_bytes_max: self.memory_bytes_max,
            pairs_min: self.pairs_min,
        }
    }
}

fn number(value: &Value) -> u32 {
    u32::try_from(u64::from_value(value)).expect("the bounds of the setting are small")
}
