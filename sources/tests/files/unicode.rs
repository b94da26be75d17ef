//! Files as programs of Windows and phones write them: a byte order mark first, and halves of characters in unused
//! fields.

use crate::running::SOON;
use crate::shop::{Dir, removal, timeless, view};

const AT: u64 = 1_700_000_000_000;

/// The byte order mark.
const MARK: &str = "\u{feff}";

#[test]
fn a_mark_at_the_start_of_a_file_is_passed_over_however_the_file_comes() {
    let dir = Dir::new();
    dir.append("views.jsonl", MARK.to_owned() + &view("ada", "lamp", AT) + &view("ada", "chair", AT + 1));
    dir.append("removals.jsonl", MARK.to_owned() + &removal("ada", "lamp", AT));
    let shop = dir.shop();
    shop.expect_history("ada", &["chair"]);
    // In pieces: the mark by itself, then half a line.
    let second = timeless("bob", "stool");
    let (start, rest) = second.split_at(20);
    dir.append("product-views.json", MARK);
    dir.append("product-views.json", start);
    dir.append("product-views.json", rest);
    shop.expect_history("bob", &["stool"]);
    // Written anew, and files put together that each have a mark; one of them had nothing else.
    let text = [MARK, &view("ada", "table", AT + 2), MARK, "\r\n", MARK, &view("ada", "sofa", AT + 3)].concat();
    dir.rewrite("views.jsonl", &text);
    shop.expect_history("ada", &["sofa", "table", "chair"]);
    shop.covers("views.jsonl", text.len());
    shop.live();
    assert!(shop.letters.try_recv().is_err(), "nothing was refused");
    // What follows the mark is judged as ever.
    dir.append("views.jsonl", [MARK, "no event\n"].concat());
    let letter = shop.letters.recv_timeout(SOON).unwrap();
    assert_eq!((letter.reason, letter.payload), ("not_json", [MARK, "no event"].concat().into_bytes()));
}

#[test]
fn half_a_surrogate_pair_matters_only_in_what_is_used() {
    let dir = Dir::new();
    let shop = dir.shop();
    let odd = |user: &str, product: &str| {
        format!(
            r#"{{"\ud83d":"\ude00","event":"ProductView","userid":"{user}","context":{{"\ude00":["\ud83d"]}},"properties":{{"productid":"{product}","title":"\ud83d"}},"timestamp":1700000000}}"#
        ) + "\n"
    };
    dir.append("views.jsonl", odd("ada", "lamp") + &odd("ada", "\\ud83d") + &odd("\\ude00", "lamp"));
    shop.expect_history("ada", &["lamp"]);
    let letters = [(); 2].map(|()| shop.letters.recv_timeout(SOON).unwrap());
    assert!(letters.iter().all(|letter| letter.reason == "half_surrogate_pair"), "{letters:?}");
    assert!(letters[0].detail.starts_with("`properties.productid` holds half"), "{letters:?}");
    assert!(letters[1].detail.starts_with("`userid` holds half"), "{letters:?}");
}
