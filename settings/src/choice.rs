//! Settings that are one of a few words.

/// Declares an enum with the word of each variant: `Variant = "word"`. It gets `WORDS`, all words in order, and can be
/// the type of a setting of kind [`Kind::Choice`](crate::Kind::Choice).
#[macro_export]
macro_rules! choice {
    (
        $(#[doc = $about:literal])+
        pub enum $name:ident { $($(#[doc = $sentence:literal])+ $variant:ident = $word:literal),+ $(,)? }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $sentence])+ $variant),+ }

        impl $name {
            /// The words of the setting, in the order of the variants.
            pub const WORDS: &'static [&'static str] = &[$($word),+];
        }

        impl $crate::FromValue for $name {
            fn from_value(value: &$crate::Value) -> Self {
                match value.text() {
                    $($word => $name::$variant,)+
                    other => unreachable!("{other:?} is not among the words of the setting"),
                }
            }
        }
    };
}
