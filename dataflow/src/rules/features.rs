//! The settings of features.

use settings::{Kind, Value, whole};

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
    }
}

impl Features {
    /// Features are not kept.
    pub const OFF: Features = Features { enabled: false, metadata: KeyNames::NONE, values_max: 20 };
}
