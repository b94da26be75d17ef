//! `GET /v1/users/{user}/features`, and `POST /v1/features` of a hundred users, beside a bare hyper that answers a constant of the
//! same size.

use harness::http;

use crate::bench::lookups::{Target, bare_hyper, stop, turns};
use crate::context::Context;
use crate::figures::Figures;
use crate::load::Requests;
use crate::numbers::median;
use crate::product::Product;
use crate::shop::{USERS, shop};

use super::ON;

/// Users of one POST.
const USERS_TOGETHER: usize = 100;

/// Different requests of each kind.
const GETS: usize = 50_000;
const POSTS: usize = 500;

/// Answers whose sizes are taken.
const SIZES: usize = 50;

pub(super) fn run(context: &Context, topic: &str, events: u64, figures: &mut Figures) -> anyhow::Result<()> {
    let mut product = Product::on_topic_with(context, 1, topic, ON)?;
    product.wait_read(topic, events)?;
    let url = |path: &str| format!("http://{}{path}", product.address());

    let mut users = random_users();
    let paths: Vec<String> = users.by_ref().take(GETS).map(|user| format!("/v1/users/{user}/features")).collect();
    let sizes = paths.iter().take(SIZES).map(|path| http::get(&url(path)).body.len());
    compare(context, &product, "features_get", sizes, &Requests::gets(paths.iter().cloned()), figures)?;

    let bodies: Vec<String> = (0..POSTS)
        .map(|_| {
            let together: Vec<String> = users.by_ref().take(USERS_TOGETHER).map(|user| format!("{user:?}")).collect();
            format!(r#"{{"users":[{}]}}"#, together.join(","))
        })
        .collect();
    let sizes = bodies.iter().take(SIZES).map(|body| http::post(&url(POST), "application/json", body).body.len());
    compare(context, &product, "features_post", sizes, &Requests::posts(POST, bodies.iter().cloned()), figures)?;
    product.stop();
    Ok(())
}

const POST: &str = "/v1/features";

fn random_users() -> impl Iterator<Item = String> {
    let shop = shop(0);
    let mut rng = shop.rng("users with features");
    std::iter::repeat_with(move || shop.user_id(rng.below(USERS)))
}

/// The product beside a bare hyper, in turns.
fn compare(
    context: &Context,
    product: &Product,
    name: &'static str,
    sizes: impl Iterator<Item = usize>,
    requests: &Requests,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let bytes = median(&sizes.map(|size| size as f64).collect::<Vec<_>>());
    figures.put(&format!("{name}_answer_bytes"), bytes);
    let (hyper, hyper_target) = bare_hyper(bytes as usize)?;
    let own = Target { name, address: product.address(), pid: product.pid() };
    let [this, bare] = turns(context, &[own, hyper_target], requests)?;
    stop(hyper);
    let per_s = figures.spread(&format!("{name}_per_s"), &this.per_s);
    let bare_per_s = figures.spread(&format!("{name}_hyper_per_s"), &bare.per_s);
    figures.put(&format!("{name}_cpu_us"), median(&this.cpu_us));
    figures.put(&format!("{name}_hyper_cpu_us"), median(&bare.cpu_us));
    figures.put(&format!("{name}_p99_ms_saturated"), median(&this.p99_ms));
    figures.put(&format!("{name}_to_hyper"), per_s / bare_per_s);
    Ok(())
}
