//! Mutated events, one per line: cut, with flipped bits, of wrong types, huge, deeply nested, and not text.

use harness::Dice;

/// Values that fit nowhere, or hardly.
const VALUES: [&str; 18] = [
    "null",
    "true",
    "-1",
    "1e999",
    "-1e308",
    "0.1",
    "18446744073709551616",
    "99999999999999999999999999999999999999",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"NaN\"",
    "\"9999-12-31T23:59:59Z\"",
    "[]",
    "{}",
    "{\"productid\":{\"productid\":1}}",
    "NaN",
    "'text'",
];

/// Bytes that do not belong where they are put.
const SPLICES: [&[u8]; 8] = [b"\0", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\"", b"}", b"\\u12", b",,"];

/// An event of a visitor who is of no importance, made wrong in one to three ways; it may still be right by chance.
pub(crate) fn mutated(rng: &mut Dice, now_ms: u64) -> Vec<u8> {
    let mut line = seed(rng, now_ms);
    for _ in 0..=rng.below(3) {
        mutate(&mut line, rng);
    }
    // It stays one line.
    line.iter_mut().filter(|byte| matches!(**byte, b'\n' | b'\r')).for_each(|byte| *byte = 0x0b);
    line
}

fn seed(rng: &mut Dice, now_ms: u64) -> Vec<u8> {
    let (user, product, at_ms) = (rng.below(100), rng.below(100), now_ms - rng.below(1_000_000_u64));
    let line = match rng.below(3) {
        0 => events::view_json(&format!("bad-{user}"), &format!("thing-{product}"), at_ms, "m", "web"),
        1 => events::removal_json(&format!("bad-{user}"), &format!("thing-{product}"), at_ms, "m"),
        _ => format!(
            r#"{{"user_id":"bad-{user}","product_id":{product},"event_type":"view","timestamp":{at_ms},"metadata":{{"a":[1,{{}}]}}}}"#
        ),
    };
    line.into_bytes()
}

fn mutate(line: &mut Vec<u8>, rng: &mut Dice) {
    let at = rng.below(line.len().max(1)).min(line.len());
    match rng.below(8) {
        0 => line.truncate(at.max(1)),
        1 => line.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << rng.below(8_u32)),
        2 => drop(line.splice(at..at, rng.pick(&SPLICES).iter().copied())),
        3 => drop(line.drain(at..(at + rng.below(20)).min(line.len()))),
        4 => {
            let again = line[at..].to_vec();
            line.extend(again);
        }
        5 => {
            let (open, close) = *rng.pick(&[("[", "]"), ("{\"a\":", "}")]);
            let depth = *rng.pick(&[10, 127, 128, 10_000]);
            replace_value(line, rng, &format!("{}1{}", open.repeat(depth), close.repeat(depth)));
        }
        6 => {
            let long = "x".repeat(*rng.pick(&[255, 257, 5_000]));
            replace_value(line, rng, &format!("\"{long}\""));
        }
        _ => {
            let value = *rng.pick(&VALUES);
            replace_value(line, rng, value);
        }
    }
    if line.is_empty() {
        line.push(b'?');
    }
}

/// Puts another value after one of the colons.
fn replace_value(line: &mut Vec<u8>, rng: &mut Dice, value: &str) {
    let colons: Vec<usize> = (0..line.len()).filter(|at| line[*at] == b':').collect();
    if colons.is_empty() {
        return;
    }
    let from = *rng.pick(&colons) + 1;
    let length = line[from..].iter().position(|byte| matches!(byte, b',' | b'}')).unwrap_or(line.len() - from);
    line.splice(from..from + length, value.bytes());
}
