//! The times of models, on made-up input of a seed.
//!
//! ```text
//! cargo run --release --example times -- scan PRODUCTS NUMBERS     the ten products that are most alike, one thread
//! cargo run --release --example times -- als PAIRS THREADS         an iteration: 64 factors, 50,000 users, 10,000 products
//! ```

use std::time::{Duration, Instant};

use harness::Dice;
use models::Vectors;
use models::als::{self, Parameters, WeightsBuilder};
use models::content::{Content, Described, Embeddings, Texts};

const ASKS: usize = 41;

/// Vectors of embeddings: the numbers have the normal distribution, by the sum of twelve others.
fn embeddings(products: usize, numbers: usize) -> Vectors {
    let (mut dice, mut embeddings) = (Dice::new(0), Embeddings::default());
    let mut normal = || (0..12).map(|_| dice.unit()).sum::<f64>() as f32 - 6.0;
    for _ in 0..products {
        embeddings.add((0..numbers).map(|_| normal()).collect());
    }
    embeddings.vectors().0
}

/// Vectors of texts: eight words each, common ones more often.
fn texts(products: usize, numbers: usize) -> Vectors {
    let (mut dice, mut texts) = (Dice::new(0), Texts::default());
    for _ in 0..products {
        let word = |_| format!("word{}", 20_000_f64.powf(dice.unit()) as u32);
        let name = (0..8).map(word).collect::<Vec<_>>().join(" ");
        texts.add(&Described { name: &name, ..Described::default() });
    }
    texts.vectors(numbers)
}

fn scan(products: usize, numbers: usize) {
    for (kind, vectors) in [("embeddings", embeddings(products, numbers)), ("texts", texts(products, numbers))] {
        let content = Content::new(vectors, (0..products).collect(), 0.1);
        let ask = |ask: usize| {
            let began = Instant::now();
            let found = content.similar(ask * products / ASKS, 10, |_| false).len();
            (began.elapsed(), found)
        };
        let mut times: Vec<(Duration, usize)> = (0..ASKS).map(ask).collect();
        times.sort_unstable();
        let megabytes = content.bytes() / 1_000_000;
        println!(
            "{products} x {numbers}, {kind}, {megabytes} MB: least {:?}, median {:?}",
            times[0].0,
            times[ASKS / 2].0
        );
    }
}

/// Popular products are common, and each user prefers products of one of a hundred groups.
fn als(pairs: usize, threads: usize) {
    const USERS: usize = 50_000;
    const PRODUCTS: usize = 10_000;
    let (mut dice, mut builder) = (Dice::new(0), WeightsBuilder::new(PRODUCTS));
    let per_user = pairs / USERS;
    for user in 0..USERS {
        let mut product = || {
            let [rank, choice] = [dice.unit(), dice.unit()];
            let popular = (PRODUCTS as f64).powf(rank) as usize - 1;
            let grouped = (popular / 100 * 100 + user * 7919 % 100).min(PRODUCTS - 1);
            if choice < 0.5 { grouped } else { popular }
        };
        let mut products: Vec<u32> = (0..per_user).map(|_| product() as u32).collect();
        products.sort_unstable();
        products.dedup();
        builder.user(&mut products.into_iter().map(|product| (product, 1.0)).collect::<Vec<_>>());
    }
    let weights = builder.build();
    let parameters =
        Parameters { factors: 64, iterations: 5, regularization: 0.1, confidence: 10.0, ..Parameters::default() };
    let mut began = Vec::new();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    let trained = pool.install(|| {
        als::train(&weights, &parameters, |_| {
            began.push(Instant::now());
            true
        })
    });
    trained.expect("there is enough to learn from");
    let times: Vec<Duration> = began.windows(2).map(|pair| pair[1] - pair[0]).collect();
    println!("{} pairs, {threads} threads: {times:?}", weights.pairs());
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| arguments.get(place).and_then(|text| text.parse().ok());
    match (arguments.first().map(String::as_str), number(1), number(2)) {
        (Some("scan"), Some(products), Some(numbers)) => scan(products, numbers),
        (Some("als"), Some(pairs), Some(threads)) => als(pairs, threads),
        _ => println!("scan PRODUCTS NUMBERS, or als PAIRS THREADS"),
    }
}
