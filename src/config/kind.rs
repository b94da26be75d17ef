//! The check of a value against the kind of its setting.

use std::net::SocketAddr;

use settings::{Kind, Value};

use super::raw::Raw;

/// The checked value, or `None` if the setting does not take it.
pub(super) fn check(kind: &Kind, raw: &Raw) -> Option<Value> {
    match kind {
        Kind::Integer { min, max } => {
            let number = u64::try_from(raw.integer()?).ok()?;
            (*min..=*max).contains(&number).then_some(Value::Integer(number))
        }
        Kind::Text { takes, .. } => text_if(raw, takes),
        Kind::Scalar { takes, .. } => raw.scalar().filter(|text| takes(text)).map(Value::Text),
        Kind::List { takes, .. } => {
            let items = raw.list()?;
            let items = if items == [""] { Vec::new() } else { items };
            let distinct = items.iter().enumerate().all(|(at, item)| !items[..at].contains(item));
            (distinct && takes(&items)).then_some(Value::List(items))
        }
        Kind::Address => Some(Value::Text(raw.text()?.trim().parse::<SocketAddr>().ok()?.to_string())),
        Kind::Choice(words) => text_if(raw, |text| words.contains(&text)),
        Kind::Path { empty } => text_if(raw, |text| *empty || !text.is_empty()),
        Kind::Key => text_if(raw, |text| text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit())),
        Kind::Client => raw.scalar().map(Value::Text),
    }
}

fn text_if(raw: &Raw, takes: impl Fn(&str) -> bool) -> Option<Value> {
    raw.text().filter(|text| takes(text)).map(|text| Value::Text(text.to_owned()))
}

/// Whether a setting of this kind takes the text of an environment variable.
#[cfg(test)]
pub(super) fn takes(kind: &Kind, text: &str) -> bool {
    check(kind, &Raw::Loose(text.to_owned())).is_some()
}

#[cfg(test)]
mod tests {
    use settings::whole;

    use super::*;

    #[test]
    fn numbers_keep_their_bounds() {
        let kind = whole(1, 10);
        assert_eq!(check(&kind, &Raw::Integer(10)), Some(Value::Integer(10)));
        assert_eq!(check(&kind, &Raw::Loose("7".into())), Some(Value::Integer(7)));
        for wrong in
            [Raw::Integer(0), Raw::Integer(11), Raw::Integer(-1), Raw::Text("7".into()), Raw::Loose("7x".into())]
        {
            assert_eq!(check(&kind, &wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_scalar_may_be_written_as_a_number() {
        let digits = Kind::Scalar { allowed: "digits", takes: |text| text.bytes().all(|byte| byte.is_ascii_digit()) };
        assert_eq!(check(&digits, &Raw::Integer(7)), Some(Value::Text("7".into())));
        assert_eq!(check(&digits, &Raw::Text(String::new())), Some(Value::Text(String::new())));
        assert_eq!(check(&digits, &Raw::Integer(-7)), None);
    }

    #[test]
    fn a_list_holds_nothing_twice_and_may_be_empty() {
        let any = Kind::List { allowed: "texts", takes: |_| true };
        let list = |items: &[&str]| check(&any, &Raw::List(items.iter().map(|&item| item.into()).collect()));
        assert!(list(&[]).is_some() && list(&["paid", "in transit"]).is_some() && list(&["paid", "paid"]).is_none());
        assert_eq!(check(&any, &Raw::Loose(String::new())), Some(Value::List(Vec::new())));
        let both = Value::List(vec!["a".into(), "b".into()]);
        assert_eq!(check(&any, &Raw::Loose("a, b".into())), Some(both));
    }

    #[test]
    fn addresses_and_keys() {
        assert!(takes(&Kind::Address, "[::1]:0") && takes(&Kind::Address, " 1.2.3.4:5 "));
        assert!(!takes(&Kind::Address, "localhost") && !takes(&Kind::Address, "1.2.3.4"));
        assert!(takes(&Kind::Key, "00112233445566778899aabbccddeeff") && !takes(&Kind::Key, "0011"));
        assert!(!takes(&Kind::Key, "+0112233445566778899aabbccddeeff"));
    }
}
