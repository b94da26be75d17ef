//! The settings of the model "buy again".

use settings::{Kind, Value};

settings::section! {
    /// Products that a user bought before, in the order in which the user is likely to buy them again. From the
    /// orders of the last `features.days`. docs/lists.md defines it.
    #[derive(Copy)]
    pub struct BuyAgain in "models.buy_again" {
        /// Whether purchases are kept by user. While this is off it costs nothing.
        enabled: bool = "off", "word", Kind::Choice(&["off", "on"]) => |word: &Value| word.text() == "on";
    }
}

impl BuyAgain {
    /// Purchases are not kept by user.
    pub const OFF: BuyAgain = BuyAgain { enabled: false };
}
