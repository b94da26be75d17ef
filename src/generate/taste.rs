//! The users' taste: popularity by Zipf's law, and a few favourite categories for each user.

use super::ShopPlan;
use super::rng::{Rng, mix};
use super::zipf::Zipf;

/// Categories a user comes back to.
const FAVOURITES: u32 = 3;

/// Popularity of users and products, and each product's category.
#[derive(Debug)]
pub(super) struct Taste {
    seed: u64,
    users: Zipf,
    user_of_rank: Vec<u32>,
    products: Zipf,
    product_of_rank: Vec<u32>,
    categories: Vec<CategoryProducts>,
    /// Each product's category and its place among that category's products.
    places: Vec<(u32, u32)>,
}

/// Products of a category, most popular first.
#[derive(Debug)]
struct CategoryProducts {
    products: Vec<u32>,
    popularity: Zipf,
}

impl Taste {
    pub(super) fn new(plan: &ShopPlan) -> Taste {
        let mut rng = Rng::new(plan.seed, "taste");
        let user_of_rank = shuffled(plan.users, &mut rng);
        let product_of_rank = shuffled(plan.products, &mut rng);
        let mut members = vec![Vec::new(); plan.categories as usize];
        let mut places = vec![(0, 0); plan.products as usize];
        for (rank, &product) in product_of_rank.iter().enumerate() {
            // The first products fill one category each, so that none is empty.
            let category = if product < plan.categories { product } else { rng.below(plan.categories) };
            let members: &mut Vec<(u32, u32)> = &mut members[category as usize];
            places[product as usize] = (category, members.len() as u32);
            members.push((rank as u32, product));
        }
        let category = |members: &Vec<(u32, u32)>| CategoryProducts {
            products: members.iter().map(|(_, product)| *product).collect(),
            popularity: Zipf::over(members.iter().map(|(rank, _)| *rank), plan.product_skew),
        };
        Taste {
            seed: plan.seed,
            users: Zipf::over(0..plan.users, plan.user_skew),
            user_of_rank,
            products: Zipf::over(0..plan.products, plan.product_skew),
            product_of_rank,
            categories: members.iter().map(category).collect(),
            places,
        }
    }

    /// A random user; frequent users are drawn more often.
    pub(super) fn user(&self, rng: &mut Rng) -> u32 {
        self.user_of_rank[self.users.draw(rng) as usize]
    }

    /// A product for that user: every other time from one of the favourite categories.
    pub(super) fn product(&self, user: u32, rng: &mut Rng) -> u32 {
        if rng.one_in(2) {
            return self.product_of_rank[self.products.draw(rng) as usize];
        }
        let choice = u64::from(rng.below(FAVOURITES));
        let scattered = mix(self.seed ^ mix(u64::from(user) * u64::from(FAVOURITES) + choice));
        let category = &self.categories[(scattered % self.categories.len() as u64) as usize];
        category.products[category.popularity.draw(rng) as usize]
    }

    /// A product's category, and its place among the products of that category, most popular first.
    pub(super) fn place(&self, product: u32) -> (u32, u32) {
        self.places[product as usize]
    }
}

/// The numbers from 0 to below `count` in random order (Fisher and Yates).
fn shuffled(count: u32, rng: &mut Rng) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..count).collect();
    for end in (1..count).rev() {
        numbers.swap(end as usize, rng.below(end + 1) as usize);
    }
    numbers
}
