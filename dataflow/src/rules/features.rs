//! The settings of features.

use std::time::Duration;

use settings::{Kind, Value, seconds, whole};

use super::key_names::{KeyNames, NAMES};

settings::section! {
    /// Features of users: what each user did with each product and each category, for models that are served.
    /// docs/data-dictionary.md defines them.
    #[derive(Copy)]
    pub struct Features in "features" {
        /// Whether features are kept. While this is off it costs nothing.
        enabled: bool = "off", "word", Kind::Choice(&["off", "on"]) => |word: &Value| word.text() == "on";
        /// Keys of an event's `metadata` whose values are counted for each user, such as ["device", "referrer"]: the
        /// feature `user_metadata`. An event counts under a key while the setting names it.
        metadata: KeyNames = [], "keys", NAMES;
        /// The most values of a user and a key of `metadata` that are shown. Events with other values count as `other`.
        values_max: usize = 20, "values", whole(1, 100);
        /// Attributes of products by whose values views are counted for each user, such as ["colour", "brand"]: the feature
        /// `user_attribute_views`. They are read from the column that `models.content.attributes_column` names, or from the
        /// field `attributes` of the store.
        attributes: KeyNames = [], "attributes", NAMES;
        /// Time between two readings of the attributes of all products. Files and the store are only read if they have
        /// changed.
        attributes_every as "attributes_every_s": Duration = 60, "s", whole(1, 31_536_000) => seconds;
    }
}

impl Features {
    /// Features are not kept.
    pub const OFF: Features = Features {
        enabled: false,
        metadata: KeyNames::NONE,
        values_max: 20,
        attributes: KeyNames::NONE,
        attributes_every: Duration::from_secs(60),
    };
}
