//! [`KeyNames`]: the names that a setting lists, a few and short, so that the rules stay one value that is copied.

use std::fmt;

use settings::{FromValue, Kind, Value};

use crate::short_text::ShortText;

/// The most names.
const NAMES_MAX: usize = 8;

/// The kind of a setting with such names.
pub(super) const NAMES: Kind = Kind::List {
    allowed: "a list of at most 8 names, none twice, each of 1 to 31 bytes and without \"=\"",
    takes: |names| {
        let is_name = |name: &String| (1..=ShortText::BYTES_MAX).contains(&name.len()) && !name.contains('=');
        names.len() <= NAMES_MAX && names.iter().all(is_name)
    },
};

/// At most 8 distinct names of 1 to 31 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyNames {
    /// Empty texts behind the names.
    names: [ShortText; NAMES_MAX],
}

impl KeyNames {
    /// No names.
    pub const NONE: KeyNames = KeyNames { names: [ShortText::EMPTY; NAMES_MAX] };

    /// These names, as many as there may be; of each as many characters as fit.
    #[must_use]
    pub fn of(names: &[impl AsRef<str>]) -> Self {
        let mut all = KeyNames::NONE;
        all.names.iter_mut().zip(names).for_each(|(place, name)| *place = ShortText::of(name.as_ref()));
        all
    }

    /// Whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names[0].is_empty()
    }

    /// The names, in their order.
    pub fn iter(&self) -> impl Iterator<Item = ShortText> + '_ {
        self.names.iter().copied().take_while(|name| !name.is_empty())
    }

    /// The name that is this text.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ShortText> {
        self.iter().find(|known| known.as_str() == name)
    }
}

/// Processes of a cluster compare their rules in this form.
impl fmt::Debug for KeyNames {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.names.iter().filter(|name| !name.is_empty()).map(ShortText::as_str)).finish()
    }
}

impl FromValue for KeyNames {
    fn from_value(value: &Value) -> Self {
        KeyNames::of(&Vec::<String>::from_value(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_shown() {
        let names = KeyNames::of(&["device", "referrer"]);
        assert_eq!(format!("{names:?}"), r#"["device", "referrer"]"#);
        assert_eq!(names.find("referrer"), Some(ShortText::of("referrer")));
        assert_eq!((names.find("dev"), names.find(""), KeyNames::NONE.find("")), (None, None, None));
        assert!(KeyNames::NONE.is_empty() && !names.is_empty());
    }

    #[test]
    fn only_a_few_short_names_are_allowed() {
        let Kind::List { takes, .. } = NAMES else { unreachable!() };
        let takes = |names: &[&str]| takes(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(takes(&[]) && takes(&["a b"]) && takes(&["1", "2", "3", "4", "5", "6", "7", "8"]));
        for names in [&[""][..], &["a=b"], &[&"x".repeat(32)], &["1", "2", "3", "4", "5", "6", "7", "8", "9"]] {
            assert!(!takes(names), "{names:?}");
        }
    }
}
