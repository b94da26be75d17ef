//! Arrays of one dimension, as the server's output function writes them: `{a,"b,c",NULL}`, or `[5:6]={a,b}` where they do not
//! begin at 1.

/// The elements of an array, of which some may be NULL; none if the text is no array of one dimension.
pub(crate) fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let mut rest = without_bounds(text)?.strip_prefix('{')?.strip_suffix('}')?;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (element, after) =
            if let Some(quoted) = rest.strip_prefix('"') { quoted_element(quoted)? } else { plain_element(rest)? };
        found.push(element);
        rest = match after.strip_prefix(',') {
            // An element must follow.
            Some("") => return None,
            Some(next) => next,
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(found)
}

/// The array without the bounds of its one dimension.
fn without_bounds(text: &str) -> Option<&str> {
    let Some(bounds) = text.strip_prefix('[') else { return Some(text) };
    let (bounds, elements) = bounds.split_once("]=")?;
    let (first, last) = bounds.split_once(':')?;
    (first.parse::<i32>().is_ok() && last.parse::<i32>().is_ok()).then_some(elements)
}

/// An element in quotes, of which the first is read already, and what follows it.
fn quoted_element(text: &str) -> Option<(Option<String>, &str)> {
    let (mut element, mut characters) = (String::new(), text.char_indices());
    loop {
        match characters.next()? {
            (at, '"') => return Some((Some(element), &text[at + 1..])),
            (_, '\\') => element.push(characters.next()?.1),
            (_, character) => element.push(character),
        }
    }
}

/// An element without quotes, and what follows it.
fn plain_element(text: &str) -> Option<(Option<String>, &str)> {
    let (element, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
    let is_text = !element.is_empty() && !element.contains(['{', '}', '"', '\\']);
    let value = || (!element.eq_ignore_ascii_case("null")).then(|| element.to_owned());
    is_text.then(|| (value(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_as_the_server_writes_them() {
        for (text, expected) in [
            ("{}", &[][..]),
            ("{a}", &["a"]),
            ("{a,b c,7}", &["a", "b c", "7"]),
            (r#"{"a,b","","NULL","{x}","say \"hi\"","\\"}"#, &["a,b", "", "NULL", "{x}", "say \"hi\"", "\\"]),
            (r#"{"é🪔",b}"#, &["é🪔", "b"]),
            ("[5:6]={a,b}", &["a", "b"]),
            ("[-1:0]={a,]=}", &["a", "]="]),
        ] {
            let expected: Vec<_> = expected.iter().map(|element| Some((*element).to_owned())).collect();
            assert_eq!(elements(text).unwrap(), expected, "{text}");
        }
        assert_eq!(elements("{a,NULL}"), Some(vec![Some("a".to_owned()), None]));
        for wrong in [
            "",
            "{",
            "}",
            "a",
            "{a",
            "{,}",
            "{a,}",
            "{,a}",
            "{{a}}",
            "[1:1][2:2]={{a}}",
            "[1]={a}",
            "[1:1]{a}",
            r#"{"a}"#,
            r#"{"a"b}"#,
        ] {
            assert_eq!(elements(wrong), None, "{wrong}");
        }
    }
}
