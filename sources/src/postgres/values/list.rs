//! Arrays of one dimension, as the server's output function writes them: `{a,"b,c",NULL}`.

/// The elements of an array; none if the text is no array of one dimension without NULL.
pub(crate) fn elements(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (element, after) =
            if let Some(quoted) = rest.strip_prefix('"') { quoted_element(quoted)? } else { plain(rest)? };
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

/// An element in quotes, of which the first is read already, and what follows it.
fn quoted_element(text: &str) -> Option<(String, &str)> {
    let (mut element, mut characters) = (String::new(), text.char_indices());
    loop {
        match characters.next()? {
            (at, '"') => return Some((element, &text[at + 1..])),
            (_, '\\') => element.push(characters.next()?.1),
            (_, character) => element.push(character),
        }
    }
}

fn plain(text: &str) -> Option<(String, &str)> {
    let (element, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
    let is_text =
        !element.is_empty() && !element.contains(['{', '}', '"', '\\']) && !element.eq_ignore_ascii_case("null");
    is_text.then(|| (element.to_owned(), rest))
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
        ] {
            assert_eq!(elements(text).unwrap(), expected, "{text}");
        }
        for wrong in
            ["", "{", "}", "a", "{a", "{,}", "{a,}", "{,a}", "{NULL}", "{{a}}", "[0:0]={a}", r#"{"a}"#, r#"{"a"b}"#]
        {
            assert_eq!(elements(wrong), None, "{wrong}");
        }
    }
}
