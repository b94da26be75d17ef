//! `vitrine evaluate`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::ConfigArgs;
use super::replay::time;
use crate::config::Request;

const USAGE: &str = "\
vitrine evaluate [OPTIONS] --from <TIME> --until <TIME> --out <FILE>
       vitrine evaluate [OPTIONS] --stream <FILE> --out <FILE>";

const HELP: &str = "\
Examples:
  vitrine evaluate --config vitrine.toml --from 2026-11-20 --until 2026-11-27 --out report.html
  vitrine evaluate --set files.dir=data --from 2026-11-20 --until 2026-11-27 --out report.html --chain co_views,als
  vitrine evaluate --stream clicks.jsonl --out lists.jsonl
  vitrine evaluate --stream films.jsonl --out lists.jsonl --set models.co_views.weighting=films

With --from and --until, the topics or files are read as `vitrine replay` reads them. Before each view from --from on of a \
product that is new to the user, the lists are asked for; then the view is learned. The measures of each source and of the \
whole chain are printed and written to an HTML page with plots.

With --stream, a file says what happened and what is asked, one JSON object a line:
  {\"view\": [user, product, ms]}               a user viewed a product, in milliseconds since the epoch
  {\"order\": [user, product, ms, order_id]}    a user ordered a product
  {\"category\": [product, category]}           a product is in a category
  {\"ask\": key, \"user\": user}                   asks for the user's list; key is any JSON value
For each ask, {\"user\": key, \"list\": [products]} is written: at most ten products, from exactly the lines before it. \
The clock is the latest time of the lines so far.

Sources: co_views (for you), buy_again, als (factors, trained on the data so far, daily), content (texts or embeddings of the \
products as they are now), best_sellers_for_you, best_sellers. \
Only buy_again recommends products of the user's history.";

/// Flags of `vitrine evaluate`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = HELP,
    arg_required_else_help = true,
    override_usage = USAGE,
    group = ArgGroup::new("input").args(["stream", "from"]).required(true)
)]
pub struct EvaluateArgs {
    /// File of views, orders, categories and asks, in the order in which they came
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "until"])]
    pub stream: Option<PathBuf>,
    /// First time whose views ask: RFC 3339, a date (midnight UTC), or milliseconds since the epoch
    #[arg(long, value_name = "TIME", value_parser = time, requires = "until")]
    pub from: Option<u64>,
    /// Last time, written in the same forms
    #[arg(long, value_name = "TIME", value_parser = time, requires = "from")]
    pub until: Option<u64>,
    /// File for the answers (--stream), or for the report
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Sources of the list, the first of them first
    #[arg(
        long,
        value_name = "SOURCES",
        value_delimiter = ',',
        default_value = "co_views,best_sellers_for_you,best_sellers"
    )]
    pub chain: Vec<String>,
    /// Let the sources take turns, instead of each filling what the sources before it left free
    #[arg(long)]
    pub interleave: bool,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

impl EvaluateArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        self.settings.request(&[])
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use recommend::SourceName;

    use crate::cli::Cli;

    #[test]
    fn the_help_has_all_sources_and_an_error_both_uses() {
        let said = |args: &[&str]| match Cli::try_parse_from([&["vitrine", "evaluate"], args].concat()) {
            Ok(_) => panic!("{args:?} is taken"),
            Err(error) => error.to_string(),
        };
        let help = said(&["--help"]);
        let (_, sources) = help.split_once("\nSources: ").expect("the sources");
        assert!(SourceName::WORDS.iter().all(|word| sources.contains(word)), "{help}");
        let error = said(&["--out", "x"]);
        assert!(["--stream", "--from", "--until"].iter().all(|flag| error.contains(flag)), "{error}");
        assert!(said(&["--out", "x", "--from", "2026-11-20"]).contains("--until"));
        assert!(said(&["--out", "x", "--from", "2026-11-20", "--stream", "y"]).contains("cannot be used with"));
    }
}
