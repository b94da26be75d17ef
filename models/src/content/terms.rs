//! The terms of a product: words of its texts, its categories, and its attributes.

/// What a shop says about a product. All texts may be empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Described<'a> {
    /// Its name.
    pub name: &'a str,
    /// A longer text.
    pub description: &'a str,
    /// Its category.
    pub category: &'a str,
    /// Attributes as one text: `colour=red, size=42`, or JSON. Words on both sides of `=` and `:` form one term.
    pub attributes: &'a str,
}

/// How many characters of a text count: what follows repeats itself, and bounds the time.
const CHARACTERS_MAX: usize = 4_000;

/// The most characters of a word that count.
const WORD_MAX: usize = 40;

impl Described<'_> {
    /// Calls `take` with each term, as often as it occurs. A word of the name counts three times, as it says more than a word
    /// of the description.
    pub(super) fn each_term(&self, mut take: impl FnMut(&str)) {
        words(self.name, |word| (0..3).for_each(|_| take(word)));
        words(self.description, &mut take);
        let mut term = String::new();
        if !self.category.is_empty() {
            term.push_str("category=");
            term.extend(self.category.chars().take(CHARACTERS_MAX).flat_map(char::to_lowercase));
            (0..3).for_each(|_| take(&term));
        }
        for attribute in self.attributes.split([',', ';', '\n', '{', '}']) {
            let Some((key, value)) = attribute.split_once(['=', ':']) else {
                words(attribute, &mut take);
                continue;
            };
            let mut prefix = String::new();
            words(key, |word| prefix.push_str(word));
            words(value, |word| {
                term.clear();
                term.extend([prefix.as_str(), "=", word]);
                take(&term);
            });
        }
    }
}

/// The words of a text in lower case: runs of letters and digits.
fn words(text: &str, mut take: impl FnMut(&str)) {
    let end = text.char_indices().nth(CHARACTERS_MAX).map_or(text.len(), |(end, _)| end);
    let mut lower = String::new();
    for word in text[..end].split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
        lower.clear();
        lower.extend(word.chars().take(WORD_MAX).flat_map(char::to_lowercase));
        take(&lower);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_words_and_attributes_keep_their_keys() {
        let described = Described {
            name: "Red-Boots",
            description: "Für den Winter, 42",
            category: "Shoes & More",
            attributes: "colour=Dark Red; {\"size\": 42}, washable",
        };
        let mut terms = Vec::new();
        described.each_term(|term| terms.push(term.to_owned()));
        let expected = [
            "red",
            "red",
            "red",
            "boots",
            "boots",
            "boots",
            "für",
            "den",
            "winter",
            "42",
            "category=shoes & more",
            "category=shoes & more",
            "category=shoes & more",
            "colour=dark",
            "colour=red",
            "size=42",
            "washable",
        ];
        assert_eq!(terms, expected);
    }
}
