//! `${VAR}` and `${VAR:-default}` in the file's strings; `$$` stands for one dollar sign.
//!
//! Expansion runs on parsed strings, never on the file's text, so that a variable cannot add settings.

/// The expanded text and whether anything was expanded; or what is wrong, in words.
pub(super) fn expand(text: &str, environment: &[(String, String)]) -> Result<(String, bool), String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    let mut changed = false;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = after.find('}').ok_or_else(|| "has `${` without `}`; write `$$` for a dollar sign".to_owned())?;
            expanded.push_str(&variable(&after[..end], environment)?);
            rest = &after[end + 1..];
            changed = true;
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    Ok((expanded, changed))
}

/// As in the shell, `:-` also replaces a variable that is set but empty.
fn variable(body: &str, environment: &[(String, String)]) -> Result<String, String> {
    let (name, default) = match body.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (body, None),
    };
    let found = environment.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    match (found, default) {
        (Some(value), None) => Ok(value.clone()),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value.clone()),
        (_, Some(default)) => Ok(default.to_owned()),
        // The message does not repeat the text, which may be part of a secret that contains a dollar sign.
        (None, None) if !is_name(name) => {
            Err("has `${` without the name of a variable after it; write `$$` for a dollar sign".to_owned())
        }
        (None, None) => Err(format!(
            "needs the environment variable {name}, which is not set; set it, or write ${{{name}:-default}}"
        )),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        let environment = [("HOST".to_owned(), "db".to_owned()), ("EMPTY".to_owned(), String::new())];
        expand(text, &environment).map(|(text, _)| text)
    }

    #[test]
    fn variables_defaults_and_dollars() {
        assert_eq!(expanded("a ${HOST}:5432 b").as_deref(), Ok("a db:5432 b"));
        assert_eq!(expanded("${PORT:-5432}${EMPTY:-x}").as_deref(), Ok("5432x"));
        assert_eq!(expanded("$$${HOST} cost $5").as_deref(), Ok("$db cost $5"));
        assert_eq!(expanded("${EMPTY}").as_deref(), Ok(""));
        assert!(expanded("${PORT}").is_err_and(|reason| reason.contains("PORT")));
        assert!(expanded("${HOST").is_err());
        assert!(expanded("u:pa${ss@db:1}/x").is_err_and(|reason| !reason.contains("ss@db")));
    }
}
