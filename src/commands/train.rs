//! `vitrine train`: the factor model from the histories of all users.
//!
//! ```text
//! topics or files ─▶ dataflow::replay up to the one step ─▶ histories ─▶ ALS ─▶ the next version of the model
//! ```

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use dataflow::dictionary::Dictionary;
use dataflow::feed::{Waker, WorkerContext};
use dataflow::ids::Ids;
use dataflow::index_reader::IndexReader;
use dataflow::replay::{self, Failure, Observer, Settings};
use dataflow::rules::{CoViews, Rules};
use dataflow::source_status::SourceRegistry;
use dataflow::tables::Stamps;
use dataflow::time::{Millis, Time};
use indicatif::ProgressBar;
use models::als::Parameters;
use sources::replay::{ReplayBounds, ReplayProgress};

use super::progress;
use super::replay::recorder::{self, Recorded, Recorder};
use super::replay::source::ReplaySources;
use super::serve::end_with_any_thread;
use crate::cli::TrainArgs;
use crate::config::Config;
use crate::learned::{self, ReadHistories};

/// How many records a worker takes from a source between two steps of the graph.
const BATCH: usize = 16_384;

/// The longest wait for another process that writes to the directory of models.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);

/// The lowest priority of Linux.
const NICE: i32 = 19;

/// Trains a model and puts it into use; prints its version and measures to stdout.
///
/// # Errors
/// A source cannot be read, there is too little to learn from, or the directory cannot be written. The model in use stays.
pub fn run(args: &TrainArgs, config: &Config) -> anyhow::Result<ExitCode> {
    end_with_any_thread();
    // Threads that start later inherit it. Without it the training still works.
    let _ = rustix::process::nice(NICE);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the system clock is before 1970")?;
    let until = args.until.unwrap_or(u64::try_from(now.as_millis()).context("the system clock is far ahead")?);
    let read = histories(config, until)?;
    let settings = &config.als;
    println!("{} users and {} products have histories", read.histories.users.len(), read.products.len());
    let bar = progress::share("train", u64::from(settings.iterations));
    let began = Instant::now();
    let model = learned::train(&read, settings, |iteration| {
        bar.set_position(u64::from(iteration));
        true
    });
    bar.finish_and_clear();
    let model = model?;
    let learned_at = Instant::now();
    println!("learned in {:.1} s, {} iterations", began.elapsed().as_secs_f64(), settings.iterations);
    let version = learned::add(&model, settings, || learned_at.elapsed() < LOCK_PATIENCE)?;
    println!("model {version} is in use, in {}", settings.dir.display());
    model.card.metrics.iter().for_each(|(name, value)| println!("{name}: {value:.4}"));
    Ok(ExitCode::SUCCESS)
}

/// The histories of all users as of `until`.
fn histories(config: &Config, until: Time) -> anyhow::Result<ReadHistories> {
    // Best sellers are not looked at: their orders need not be read. And a list of all of a history costs less than
    // co-views.
    let rules = Rules {
        list_size: config.rules.depth(),
        window_ms: 1,
        co_views: CoViews::OFF,
        ..config.rules.without_shadow()
    };
    let bounds = ReplayBounds { from: until, until, kept_ms: rules.window_ms };
    let registry = Arc::new(SourceRegistry::default());
    let dictionary = Arc::new(Dictionary::new(Ids::new(config.dataflow.id_key)));
    let sources = ReplaySources::open(config, bounds, &dictionary, &registry, Arc::new(|_| {}))?;
    let progress = sources.progress();
    let bar = progress::share("read", progress.as_ref().map_or(0, |progress| progress.total()));
    let mut step = ReadStep { progress, bar, parameters: config.als.parameters(), read: None };
    let settings = Settings {
        workers: config.dataflow.workers,
        rules,
        idle_merge_effort: config.dataflow.idle_merge_effort,
        dictionary,
        steps: [until].into(),
        batch: BATCH,
        open: sources.opener(),
    };
    let done = replay::run(settings, &mut step);
    step.bar.finish_and_clear();
    done?;
    for source in registry.snapshot() {
        println!("{}: {} records used", source.name, source.accepted);
        source.rejected.iter().for_each(|(reason, count)| println!("  refused: {count} {reason}"));
    }
    let read = step.read.context("the records were not read to their end")?;
    check_age(&read, rules.history_ms, || have_old_view(config, bounds))?;
    Ok(read)
}

/// Refuses histories that are all empty because views are too old; `have_old_view` tells whether there is such a view.
fn check_age(
    read: &ReadHistories,
    history_ms: Millis,
    have_old_view: impl FnOnce() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    if read.histories.users.is_empty() && history_ms < Millis::MAX {
        ensure!(!have_old_view()?, "all views are older than rules.history_days; give --until or history_days = 0");
    }
    Ok(())
}

/// Whether the sources have a view that is too old for a history. They are read again, up to the first such view.
fn have_old_view(config: &Config, bounds: ReplayBounds) -> anyhow::Result<bool> {
    let is_old = |at: Millis| at.saturating_add(config.rules.history_ms) <= bounds.until;
    let registry = Arc::new(SourceRegistry::default());
    let dictionary = Arc::new(Dictionary::new(Ids::new(config.dataflow.id_key)));
    let sources = ReplaySources::open(config, bounds, &dictionary, &registry, Arc::new(|_| {}))?;
    let context = WorkerContext { index: 0, peers: 1, waker: Waker::of_this_thread(), dictionary: dictionary.clone() };
    let sources = sources.opener()(context).map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let mut recorder = Recorder::new(&config.rules, dictionary, bounds.from);
    for mut source in sources {
        loop {
            let Recorded { log, reached } = recorder.feed(source.as_mut(), bounds.until, recorder::BATCH)?;
            if log.of::<Stamps>().iter().any(|(.., stamp)| stamp.viewed_at().is_some_and(is_old)) {
                return Ok(true);
            }
            if reached {
                break;
            }
        }
    }
    Ok(false)
}

/// Reads the histories at the one step.
struct ReadStep {
    progress: Option<Arc<ReplayProgress>>,
    bar: ProgressBar,
    parameters: Parameters,
    read: Option<ReadHistories>,
}

impl Observer for ReadStep {
    fn step(&mut self, reader: &IndexReader, _: Time) -> Result<(), Failure> {
        self.read = Some(ReadHistories::of(reader, &self.parameters).map_err(|error| format!("{error:#}"))?);
        Ok(())
    }

    fn waiting(&mut self) {
        self.bar.set_position(self.progress.as_ref().map_or(0, |progress| progress.done()));
    }
}

#[cfg(test)]
mod tests {
    use models::als::Histories;

    use super::*;
    use crate::config::Request;

    #[test]
    fn only_views_can_be_too_old() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let write =
            |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a file can be written");
        let event = |kind: &str| {
            format!(r#"{{"user_id":"ada","product_id":"lamp","event_type":"{kind}","timestamp":1600000000}}"#) + "\n"
        };
        write("product_catalog.csv", "product_id,category\nlamp,light\n");
        write("views.jsonl", &event("click"));
        let mut config = Config::load(&Request::default()).expect("the defaults are a configuration");
        config.files = Some(crate::config::Files { dir: dir.path().to_owned() });
        let until = 1_700_000_000_000;
        let bounds = ReplayBounds { from: until, until, kept_ms: 1 };
        let have_old_view = |config: &Config| have_old_view(config, bounds).expect("the files can be read");
        assert!(!have_old_view(&config));
        let error = histories(&config, until).map(|_| ()).err();
        assert!(error.is_none(), "there is no view that could be too old: {error:?}");
        write("views.jsonl", &(event("click") + &event("view")));
        assert!(have_old_view(&config));
        let error = histories(&config, until).map(|_| ()).expect_err("the only view is too old");
        assert!(error.to_string().contains("rules.history_days"), "{error:#}");
        config.rules.history_ms = until;
        assert!(!have_old_view(&config));
    }

    #[test]
    fn histories_without_users_are_refused_only_if_their_views_may_have_expired() {
        let read = |users: Vec<Vec<u32>>| {
            let histories = Histories { products: users.len(), users };
            ReadHistories { histories, products: Vec::new(), from: 0, until: 0 }
        };
        let none = read(Vec::new());
        let error = check_age(&none, 1000, || Ok(true)).expect_err("all views have expired");
        assert!(error.to_string().contains("--until"), "{error}");
        assert!(check_age(&none, 1000, || Ok(false)).is_ok() && check_age(&none, Millis::MAX, || Ok(true)).is_ok());
        assert!(check_age(&read(vec![vec![0]]), 1000, || Ok(true)).is_ok());
    }
}
