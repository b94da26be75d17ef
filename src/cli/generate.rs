//! `vitrine generate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ConfigArgs;
use super::replay::time;
use crate::config::Request;
use crate::generate::{ShopPlan, Style};

const HELP: &str = "\
Examples:
  vitrine generate --to files --dir data
  vitrine generate --to files --dir data --users 200000 --products 50000 --views 5000000 --seed 7
  vitrine generate --to services --config vitrine.toml --style readable
  vitrine generate --to services --config vitrine.toml --empty    topics and tables only, for your own data

Files: views.jsonl, product_catalog.csv and orders.csv, as `vitrine serve --set files.dir=data` reads them. The same flags, \
seed and --until give the same bytes.

Services: [kafka], [postgres] or both, as configured. Missing topics, a missing database and missing tables are \
created. Tables and topics that are not empty are refused before anything is written, unless --force is given: then \
existing rows stay, missing rows are added, and views are appended.

Users and products are drawn by Zipf's law, users come back to a few categories, orders have one to five lines over the \
last --days, and some lines are returned: in the database they are inserted and deleted again, in the files they are left \
out.";

/// Number of categories if no flag names it and there are as many products.
const CATEGORIES_DEFAULT: u32 = 12;

/// Flags of `vitrine generate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct GenerateArgs {
    /// Where the data goes
    #[arg(long, value_enum, value_name = "TARGET")]
    pub to: Target,
    /// Number of users
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    pub users: u32,
    /// Number of products
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub products: u32,
    /// Number of categories, at most as many as products; by default 12, or as many as products if these are fewer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub categories: Option<u32>,
    /// Number of view events, spread over the last seven days
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(0..=10_000_000_000))]
    pub views: u64,
    /// Number of orders, spread over the last --days
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(0..=10_000_000_000))]
    pub orders: u64,
    /// Days over which the orders are spread
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3000))]
    pub days: u64,
    /// Seed: the same seed gives the same data
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Time at which the data ends: RFC 3339, a date (midnight UTC), or milliseconds since the epoch; by default now
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<u64>,
    /// How ids look: product-393, or oak-desk-lamp
    #[arg(long, value_enum, value_name = "STYLE", default_value_t = Style::Numbered)]
    pub style: Style,
    /// Exponent of Zipf's law for users; 0 makes all users equally active
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = skew)]
    pub user_skew: f64,
    /// Exponent of Zipf's law for products; 0 makes all products equally popular
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = skew)]
    pub product_skew: f64,
    /// Create empty topics and tables, or empty files
    #[arg(long)]
    pub empty: bool,
    /// Directory for the files; by default the setting files.dir, or else data
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Replace files that exist; add to tables and topics that are not empty
    #[arg(long)]
    pub force: bool,
    /// Number of partitions of topics that have to be created
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub partitions: i32,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

/// Where the data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// views.jsonl, product_catalog.csv and orders.csv in a directory
    Files,
    /// Kafka and PostgreSQL, as configured
    Services,
}

impl GenerateArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        self.settings.request(&[])
    }

    /// What is wrong with the flags together.
    pub(super) fn contradiction(&self) -> Option<String> {
        let categories = self.categories.filter(|categories| *categories > self.products)?;
        let products = self.products;
        Some(format!(
            "--categories {categories} needs as many products, and --products is {products}: each category has one"
        ))
    }

    /// The plan of the data. Without --until, the data ends at `now` (milliseconds since the epoch).
    pub fn plan(&self, now: u64) -> ShopPlan {
        let [users, products, categories] = match self.empty {
            true => [0; 3],
            false => [self.users, self.products, self.categories.unwrap_or(CATEGORIES_DEFAULT).min(self.products)],
        };
        let [views, orders] = if self.empty { [0; 2] } else { [self.views, self.orders] };
        ShopPlan {
            users,
            products,
            categories,
            views,
            orders,
            days: self.days,
            user_skew: self.user_skew,
            product_skew: self.product_skew,
            seed: self.seed,
            until: self.until.unwrap_or(now),
            style: self.style,
        }
    }
}

fn skew(text: &str) -> Result<f64, String> {
    let skew: f64 = text.parse().map_err(|_| "write a number such as 1.0")?;
    if (0.0..=3.0).contains(&skew) { Ok(skew) } else { Err("write a number from 0 to 3".into()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::{Cli, Command};

    #[test]
    fn there_are_no_more_categories_than_products() {
        let parse = |flags: &[&str]| {
            let cli = Cli::try_parse_from(["vitrine", "generate", "--to", "files"].iter().chain(flags)).unwrap();
            let error = cli.check().err().map(|error| error.to_string());
            let Command::Generate(args) = cli.command else { panic!("another command") };
            (args.plan(0).categories, error)
        };
        assert_eq!(parse(&[]), (12, None));
        assert_eq!(parse(&["--products", "10"]), (10, None), "the default follows the products");
        assert_eq!(parse(&["--products", "10", "--categories", "10"]), (10, None));
        let (_, error) = parse(&["--products", "10", "--categories", "50"]);
        let error = error.unwrap();
        assert!(error.contains("--categories 50") && error.contains("Usage: vitrine generate"), "{error}");
    }

    #[test]
    fn the_end_is_a_time_in_the_forms_of_all_commands() {
        let parse = |until: &str| Cli::try_parse_from(["vitrine", "generate", "--to", "files", "--until", until]);
        for until in ["2026-11-20", "2026-11-20T00:00:00Z", "1795132800000"] {
            let Ok(Cli { command: Command::Generate(args) }) = parse(until) else { panic!("{until} is refused") };
            assert_eq!(args.until, Some(1_795_132_800_000));
        }
        let Err(error) = parse("2026-13-01") else { panic!("there is no such month") };
        assert!(error.to_string().contains("write it as 2026-11-20T10:15:00Z, 2026-11-20 or"), "{error}");
    }
}
