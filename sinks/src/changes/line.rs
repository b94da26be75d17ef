//! A change as a line: the one place that knows how changes are written.

use dataflow::dictionary::Dictionary;
use dataflow::graph::changes::{Change, Changed};
use dataflow::rows::ListId;
use dataflow::time::{Diff, Time};
use serde::Serialize;

#[derive(Serialize)]
struct HistoryLine<'a> {
    tick: Time,
    list: &'static str,
    user: Option<&'a str>,
    product: Option<&'a str>,
    viewed_at: u64,
    change: &'static str,
}

#[derive(Serialize)]
struct BestSellersLine<'a> {
    tick: Time,
    list: &'static str,
    category: Option<&'a str>,
    product: Option<&'a str>,
    buyers: u64,
    change: &'static str,
}

#[derive(Serialize)]
struct ResetLine {
    tick: Time,
    list: &'static str,
    change: &'static str,
}

/// Brings a tick's rows into the order in which they are written: by list, and what left before what entered.
pub(super) fn sort(changed: &mut Changed) {
    changed.rows.sort_by_key(|(change, diff)| (matches!(change, Change::BestSellers(..)), *diff > 0));
}

/// Adds the line of one row that entered or left its list, with its line end.
pub(super) fn write_row(tick: Time, change: &Change, diff: Diff, dictionary: &Dictionary, out: &mut Vec<u8>) {
    let sign = if diff > 0 { "+" } else { "-" };
    match change {
        Change::History(user, viewed) => write(
            &HistoryLine {
                tick,
                list: "history",
                user: dictionary.user_name(*user).as_deref(),
                product: dictionary.product_name(viewed.product).as_deref(),
                viewed_at: viewed.at(),
                change: sign,
            },
            out,
        ),
        Change::BestSellers(ranking, seller) => {
            let category = match ranking {
                ListId::General => None,
                ListId::Category(category) => dictionary.category_name(*category),
            };
            write(
                &BestSellersLine {
                    tick,
                    list: "best_sellers",
                    category: category.as_deref(),
                    product: dictionary.product_name(seller.product).as_deref(),
                    buyers: seller.buyers(),
                    change: sign,
                },
                out,
            );
        }
    }
}

/// Adds the line that says that all lists are empty.
pub(super) fn write_reset(tick: Time, out: &mut Vec<u8>) {
    write(&ResetLine { tick, list: "all", change: "reset" }, out);
}

fn write(line: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, line).expect("texts and integers always serialise");
    out.push(b'\n');
}
