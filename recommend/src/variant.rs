//! The variants of a test: by a hash of the user, who stays in a variant.

use dataflow::ids::UserKey;
use models::evaluation::ab_test;

/// A variant of the test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// The chains of `[recommendations]`. Everybody is in it while there is no test, and every visitor who is not known.
    #[default]
    A,
    /// The chains of `[recommendations.test]`.
    B,
}

impl Variant {
    /// Both.
    pub const ALL: [Variant; 2] = [Variant::A, Variant::B];

    /// Its name in metrics and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Variant::A => "a",
            Variant::B => "b",
        }
    }
}

/// Which users are in variant B.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split {
    pub(crate) seed: u64,
    pub(crate) percent: u64,
}

impl Split {
    pub(crate) fn variant(self, user: UserKey) -> Variant {
        if ab_test::is_in_b(self.seed, user.route(), self.percent) { Variant::B } else { Variant::A }
    }
}
