//! The settings of features.

use settings::{Kind, Value};

settings::section! {
    /// Features of users: what each user did with each product and each category, for models that are served.
    /// docs/data-dictionary.md defines them.
    #[derive(Copy)]
    pub struct Features in "features" {
        /// Whether features are kept. While this is off it costs nothing.
        enabled: bool = "off", "word", Kind::Choice(&["off", "on"]) => |word: &Value| word.text() == "on";
    }
}

impl Features {
    /// Features are not kept.
    pub const OFF: Features = Features { enabled: false };
}
