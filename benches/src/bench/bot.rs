//! A user with a million distinct products: the cost of its next view, compared with an ordinary user's.

use crate::context::Context;
use crate::figures::Figures;
use crate::lab::{Lab, LabClock, Row};
use crate::numbers::{ms, percentile};
use crate::shop::{PRODUCTS, USERS, shop};

const VIEWS_WATCHED: usize = 2000;
const REMOVALS_WATCHED: usize = 50;
const START: u64 = 1_700_000_000_000;

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let (bots, ordinary) = if context.quick { (200_000, 200_000) } else { (1_000_000, 1_000_000) };
    let mut lab = Lab::start(1, LabClock::micros());
    let (users, products) = (lab.users(USERS as usize), lab.products(bots + VIEWS_WATCHED));
    let bot = lab.dictionary().user("bot");
    let seen = products.clone();
    lab.load((0..bots).map(move |number| Row::View(bot, seen[number], START + number as u64)));
    let shop = shop(0);
    let mut rng = shop.rng("beside the bot");
    let (their, theirs) = (users.clone(), products.clone());
    lab.load((0..ordinary).map(move |number| {
        let view = shop.view(0, &mut rng);
        Row::View(their[view.user as usize], theirs[view.product as usize], START + number as u64)
    }));

    let mut now = START + bots.max(ordinary) as u64;
    let (mut ordinary_us, mut bot_us) = (Vec::new(), Vec::new());
    for number in 0..VIEWS_WATCHED {
        now += 1;
        let user = users[number * 97 % users.len()];
        let product = products[number * 31 % PRODUCTS as usize];
        ordinary_us.push(1e3 * ms(lab.sight(Row::View(user, product, now))));
        bot_us.push(1e3 * ms(lab.sight(Row::View(bot, products[bots + number], now))));
    }
    let ordinary = figures.spread("ordinary_view_us", &ordinary_us);
    let bots_view = figures.spread("bot_view_us", &bot_us);
    figures.put("ordinary_view_p99_us", percentile(&ordinary_us, 99.0));
    figures.put("bot_view_p99_us", percentile(&bot_us, 99.0));
    figures.put("bot_to_ordinary", bots_view / ordinary);

    // Removes the newest product each time: a full list loses a product, and the next product lies deep in the history.
    let (mut ordinary_ms, mut bot_ms) = (Vec::new(), Vec::new());
    for number in (VIEWS_WATCHED - REMOVALS_WATCHED..VIEWS_WATCHED).rev() {
        now += 1;
        let user = users[number * 97 % users.len()];
        let product = products[number * 31 % PRODUCTS as usize];
        ordinary_ms.push(ms(lab.sight(Row::Removal(user, product, now))));
        bot_ms.push(ms(lab.sight(Row::Removal(bot, products[bots + number], now))));
    }
    figures.spread("ordinary_removal_ms", &ordinary_ms);
    figures.spread("bot_removal_ms", &bot_ms);
    lab.stop();
    Ok(())
}
