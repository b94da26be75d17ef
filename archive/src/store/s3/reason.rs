//! The reason of a failed request without what differs from one attempt to the next, so that the same reason is said once.

/// The units of a duration as the client writes it.
const UNITS: [&str; 4] = ["ns", "µs", "ms", "s"];

/// What a person needs of the client's words: without the time that the request took, the number of attempts, the server's ids of
/// the request, and the markup around the server's words.
pub(super) fn plain(words: &str) -> String {
    without_attempts(&without_markup(words))
}

/// Replaces the document that the server sent by the code and the message in it.
fn without_markup(text: &str) -> String {
    let Some((start, end)) = text.find('<').zip(text.rfind('>')).filter(|(start, end)| start < end) else {
        return text.to_owned();
    };
    let markup = &text[start..end];
    let mut said: Vec<&str> = ["Code", "Message"].into_iter().filter_map(|name| element(markup, name)).collect();
    said.dedup();
    let (before, after) = (text[..start].trim_end_matches([' ', ':']), &text[end + 1..]);
    let colon = if said.is_empty() { "" } else { ": " };
    format!("{before}{colon}{}{after}", said.join(": "))
}

/// The text of the first element of that name.
fn element<'a>(markup: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = markup.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text).filter(|text| !text.is_empty())
}

/// Removes ` in 21.02ms, after 1 retries, max_retries: 1, retry_timeout: 60s` before ` - ` and the reason.
fn without_attempts(text: &str) -> String {
    let attempts = text.match_indices(" in ").find_map(|(start, between)| {
        let rest = &text[start + between.len()..];
        let duration = rest.split([',', ' ']).next().filter(|word| is_duration(word))?;
        Some((start, rest.find(" - ").map_or(&rest[duration.len()..], |end| &rest[end..])))
    });
    match attempts {
        Some((start, rest)) => format!("{}{}", &text[..start], without_attempts(rest)),
        None => text.to_owned(),
    }
}

fn is_duration(word: &str) -> bool {
    UNITS.iter().any(|unit| word.strip_suffix(unit).is_some_and(|number| number.parse::<f64>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_failure_has_the_same_reason_at_each_attempt() {
        let failure = |took: &str, id: &str| {
            format!(
                "Generic S3 error: Error performing PUT http://s3/shop/views/1 in {took}, after 1 retries, max_retries: 1, \
                 retry_timeout: 60s - Server returned non-2xx status code: 503 Service Unavailable: <?xml version=\"1.0\"?> \
                 <Error><Code>SlowDown</Code><Message>Reduce your rate</Message><RequestId>{id}</RequestId></Error>"
            )
        };
        let expected = "Generic S3 error: Error performing PUT http://s3/shop/views/1 - Server returned non-2xx status code: \
                        503 Service Unavailable: SlowDown: Reduce your rate";
        assert_eq!(plain(&failure("21.02ms", "A1")), expected);
        assert_eq!(plain(&failure("1.000000001s", "B2")), expected);
    }

    #[test]
    fn other_words_stay() {
        for words in ["credentials in /etc/keys: no line", "no answer within 60 s", "1 < 2", "stored in s, in ms", ""] {
            assert_eq!(plain(words), words);
        }
        let refused =
            |took: &str| format!("Error performing GET http://s3/x in {took} - HTTP error: connection refused");
        assert_eq!(plain(&refused("850.1µs")), "Error performing GET http://s3/x - HTTP error: connection refused");
        let page = "status code: 502 Bad Gateway: <html><body>nginx</body></html>";
        assert_eq!(plain(page), "status code: 502 Bad Gateway");
    }
}
