//! The configuration as users see it: layers and their order, messages with places, and the files printed from the
//! settings.

use std::path::{Path, PathBuf};

use sources::postgres::Status;
use tempfile::TempDir;
use vitrine::config::{Config, Errors, Flag, LogFormat, OrderTime, Request, example, reference_table, sections};

/// Set to 1, the files that are printed from the settings are written instead of compared.
const UPDATE: &str = "VITRINE_UPDATE_FILES";

struct Setup {
    dir: TempDir,
    request: Request,
}

/// A configuration file with that text, in a directory of its own.
fn file(text: &str) -> Setup {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("vitrine.toml");
    std::fs::write(&path, text).expect("the file is written");
    Setup { dir, request: Request { file: Some(path), ..Request::default() } }
}

impl Setup {
    fn env(mut self, name: &str, value: &str) -> Setup {
        self.request.environment.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, name: &str, key: &str, value: &str) -> Setup {
        self.request.flags.push(Flag { name: name.into(), key: key.into(), value: value.into() });
        self
    }

    fn load(&self) -> Result<Config, Errors> {
        Config::load(&self.request)
    }

    fn config(&self) -> Config {
        self.load().expect("the configuration is sound")
    }

    /// The one message, with the temporary directory taken out of it.
    #[track_caller]
    fn message(&self) -> String {
        let errors = self.load().expect_err("the configuration is wrong");
        assert_eq!(errors.0.len(), 1, "{errors}");
        errors.0[0].to_string().replace(&format!("{}/", self.dir.path().display()), "")
    }
}

#[test]
fn a_higher_layer_wins_and_the_rest_keeps_its_default() {
    let setup = file("[dataflow]\nworkers = 2\ntick_ms = 2\nbatch_max = 2000\n")
        .env("VITRINE__DATAFLOW__TICK_MS", "3")
        .env("VITRINE__DATAFLOW__BATCH_MAX", "3000")
        .flag("--set", "dataflow.batch_max", "4000");
    let dataflow = setup.config().dataflow;
    assert_eq!(
        (dataflow.workers, dataflow.ticks.tick_ms, dataflow.ticks.batch_max, dataflow.ticks.idle_tick_ms),
        (2, 3, 4000, 100)
    );
}

#[test]
fn sources_are_there_when_their_section_is() {
    let none = Config::load(&Request::default()).expect("defaults are sound");
    assert!(none.kafka.is_none() && none.postgres.is_none() && none.files.is_none());
    assert!(none.require_source().is_err());
    let kafka = file("[kafka]\n").config();
    assert_eq!(kafka.kafka.expect("a section is enough").views, ["views"]);
    assert!(kafka.postgres.is_none());
    let postgres = file("").env("VITRINE__POSTGRES__TABLES__ORDERS__NAME", "shop.orders").config().postgres;
    assert_eq!(postgres.expect("a variable is enough").tables.orders.name, "shop.orders");
    assert_eq!(file("[files]\ndir = \"x\"").config().files.expect("given").dir, PathBuf::from("x"));
}

#[test]
fn unknown_names_are_errors_with_place_and_nearest_name() {
    assert_eq!(
        file("[server]\n\nlisten_on = \"127.0.0.1:1\"\n").message(),
        "vitrine.toml line 3: unknown setting `server.listen_on`; did you mean `server.listen`?"
    );
    assert_eq!(
        file("[kafak]\nbrokers = \"a:1\"\n").message(),
        "vitrine.toml line 1: unknown section `kafak`; did you mean `kafka`?"
    );
    assert_eq!(
        file("").env("VITRINE__SERVER__WORKERS", "2").message(),
        "environment variable VITRINE__SERVER__WORKERS: unknown setting `server.workers`; did you mean `dataflow.workers`?"
    );
    assert_eq!(
        file("").env("VITRINE_DATAFLOW_WORKERS", "2").env("VITRINE_DATAFLOW_PORT", "tcp://10.0.0.1:1").message(),
        "environment variable VITRINE_DATAFLOW_WORKERS is no setting; did you mean `VITRINE__DATAFLOW__WORKERS`, with two \
         underscores?"
    );
    assert_eq!(file("").flag("--set", "colour", "red").message(), "flag --set: unknown setting `colour`");
    assert_eq!(
        file("server = 3").message(),
        "vitrine.toml line 1: `server` is of type integer; allowed is a section, written [server]"
    );
}

#[test]
fn wrong_values_name_key_finding_and_what_is_allowed() {
    for (text, message) in [
        ("[dataflow]\nworkers = 0", "line 2: `dataflow.workers` is 0; allowed is a whole number from 1 to 256"),
        (
            "[dataflow]\nworkers = \"two\"",
            "line 2: `dataflow.workers` is \"two\"; allowed is a whole number from 1 to 256",
        ),
        ("[dataflow]\nworkers = -1", "line 2: `dataflow.workers` is -1; allowed is a whole number from 1 to 256"),
        (
            "[dataflow]\nworkers = 1.5",
            "line 2: `dataflow.workers` is of type float; allowed is a whole number from 1 to 256",
        ),
        ("[log]\nformat = \"xml\"", "line 2: `log.format` is \"xml\"; allowed is one of \"text\", \"json\""),
        (
            "[postgres]\nmode = \"sometimes\"",
            "line 2: `postgres.mode` is \"sometimes\"; allowed is one of \"auto\", \"replication\", \"refresh\"",
        ),
        (
            "[postgres]\nslot = \"My-Slot\"",
            "line 2: `postgres.slot` is \"My-Slot\"; allowed is a name: 1 to 63 of a to z, 0 to 9 and `_`",
        ),
        (
            "[server]\nlisten = \"localhost\"",
            "line 2: `server.listen` is \"localhost\"; allowed is an IP address and a port, such as 127.0.0.1:8080 or [::]:8080",
        ),
    ] {
        assert_eq!(file(text).message(), format!("vitrine.toml {message}"));
    }
}

#[test]
fn every_number_has_bounds_that_hold_on_both_sides() {
    for section in sections() {
        for setting in section.settings.iter().filter(|setting| setting.kind.allowed().starts_with("a whole number")) {
            let load = |value: &str| file("").flag("--set", setting.key, value).load();
            assert!(load("-1").is_err() && load("99999999999999999").is_err() && load("").is_err(), "{}", setting.key);
            assert!(load(&setting.default().to_string()).is_ok(), "{}", setting.key);
        }
    }
}

#[test]
fn all_problems_are_reported_together() {
    let errors = file("[server]\nthreads = 0\nport = 1\n[rules]\nlist_size = 0\n").load().expect_err("three are wrong");
    assert_eq!(errors.0.len(), 3, "{errors}");
}

#[test]
fn text_that_is_no_toml_is_shown_with_its_line() {
    let message = file("[server]\nlisten = \n").message();
    assert!(message.starts_with("vitrine.toml line 2 is not TOML: "), "{message}");
    let missing = Request { file: Some("/nowhere/vitrine.toml".into()), ..Request::default() };
    let errors = Config::load(&missing).expect_err("there is no file").to_string();
    assert!(errors.contains("/nowhere/vitrine.toml: cannot be read"), "{errors}");
}

#[test]
fn variables_expand_in_strings_and_may_stand_for_numbers_and_lists() {
    let setup = file(
        "[kafka]\nbrokers = \"${HOST}:${PORT:-9092}\"\nviews = [\"${TOPIC:-views}\"]\ndiscovery_s = \"${SECONDS:-7}\"",
    )
    .env("HOST", "kafka");
    let kafka = setup.config().kafka.expect("given");
    assert_eq!((kafka.brokers.as_str(), kafka.discovery.as_secs()), ("kafka:9092", 7));
    assert_eq!(kafka.views, ["views"]);
    let message = file("[kafka]\nbrokers = \"${HOST}:9092\"").message();
    assert!(
        message.starts_with("vitrine.toml line 2: `kafka.brokers` needs the environment variable HOST"),
        "{message}"
    );
    // A variable's content stays one value, whatever stands in it.
    let hostile = file("[files]\ndir = \"${DIR}\"").env("DIR", "a\"\n[server]\nthreads = 9").config();
    assert_eq!(hostile.files.expect("given").dir, PathBuf::from("a\"\n[server]\nthreads = 9"));
    assert_eq!(hostile.server.threads, 2);
}

#[test]
fn secrets_come_from_files_and_stay_out_of_messages() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("url");
    std::fs::write(&path, "postgresql://me:hush@db/shop\n").expect("the secret is written");
    let config = file(&format!("[postgres]\nurl_file = \"{}\"", path.display())).config();
    let postgres = config.postgres.expect("given");
    assert_eq!(postgres.url.expose(), "postgresql://me:hush@db/shop");
    assert!(!format!("{postgres:?}").contains("hush"));
    let message = file("[postgres]\nurl = \"mysql://me:hush@db/shop\"").message();
    assert!(message.contains("`postgres.url`") && !message.contains("hush"), "{message}");
    for broken in [
        "[postgres]\nurl = \"postgresql://me:hush@db/x",
        "[postgres]\nurl = \"postgresql://me:hush@db/x\"\nurl = \"postgresql://me:hush2@db/x\"",
        "[kafka.client]\n\"sasl.password\"=\"hush\" x",
        "[postgres]\nurl = \"postgresql://me:${hush@db}/x\"",
        "[postgres]\nurl = postgresql://me:hush@db/x",
    ] {
        let message = file(broken).message();
        assert!(message.contains("line") && !message.contains("hush"), "{message}");
    }
    let message = file("[postgres]\nurl_file = \"/nowhere/url\"").message();
    assert!(message.starts_with("vitrine.toml line 2: `postgres.url_file` names the file /nowhere/url"), "{message}");
    let message = file("[postgres]\nurl = \"postgresql://db\"\nurl_file = \"x\"").message();
    assert!(message.contains("both set"), "{message}");
    // A higher layer's value replaces a lower one's file, which need not even exist then.
    let config =
        file("[postgres]\nurl_file = \"/nowhere/url\"").env("VITRINE__POSTGRES__URL", "postgresql://db/x").config();
    assert_eq!(config.postgres.expect("given").url.expose(), "postgresql://db/x");
}

#[test]
fn keys_of_librdkafka_pass_through_checked() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("id");
    std::fs::write(&path, "shop\n").expect("the value is written");
    let text = format!(
        "[kafka.client]\n\"socket.keepalive.enable\" = true\nfetch.wait.max.ms = 20\n\"client.id_file\" = \"{}\"",
        path.display()
    );
    let setup = file(&text).env("VITRINE__KAFKA__CLIENT__FETCH_MIN_BYTES", "2");
    let client = setup.config().kafka.expect("a sub-section is enough").client;
    let all: Vec<_> = client.iter().map(|(key, value)| format!("{key}={}", value.expose())).collect();
    assert_eq!(all, ["client.id=shop", "fetch.min.bytes=2", "fetch.wait.max.ms=20", "socket.keepalive.enable=true"]);
    let message = file("[kafka.client]\n\"fetch.wait\" = 3").message();
    assert!(message.starts_with("vitrine.toml line 2: `kafka.client` \"fetch.wait\""), "{message}");
    let message = file("[kafka.client]\n\"enable.auto.commit\" = true").message();
    assert!(message.contains("Vitrine keeps its own positions"), "{message}");
}

#[test]
fn contradictions_are_named_with_their_place() {
    for (text, part) in [
        ("[rules]\nlist_size = 5\nitems_min = 6", "vitrine.toml line 3: `rules.items_min` is larger"),
        ("[kafka]\ndead_letters = \"views\"", "vitrine.toml line 2: `kafka.dead_letters`"),
        ("[kafka]\nremovals = \"views\"", "vitrine.toml line 2: `kafka.removals`"),
        ("[kafka]\nbrokers = \"a:1\"\n[files]\ndir = \"x\"", "vitrine.toml line 4: [files] stands beside [kafka]"),
        ("[server]\nstaleness_max_ms = 100", "vitrine.toml line 2: `server.staleness_max_ms`"),
        (
            "[recommendations]\nhome = [\"co_views\"]",
            "vitrine.toml line 2: `recommendations.home` names \"co_views\", whose model is off: set \
             `models.co_views.enabled = \"on\"`",
        ),
        (
            "[recommendations]\nbasket = [\"best_sellers\", \"als\"]",
            "vitrine.toml line 2: `recommendations.basket` names \"als\", whose model is off: set `models.als.enabled = \"on\"`",
        ),
        (
            "[sinks.postgres]\nurl = \"postgresql://a@b/c\"\ntable = \"t\"\nlists = [\"histories\", \"similar\"]",
            "vitrine.toml line 4: `sinks.postgres.lists` names \"similar\", which are off: set \
             `models.co_views.enabled = \"on\"`, or take \"similar\" out of the list",
        ),
        (
            "[kafka]\n[sinks.kafka]\ntopic = \"t\"\nlists = [\"features\"]",
            "vitrine.toml line 4: `sinks.kafka.lists` names \"features\", which are off: set `features.enabled = \"on\"`",
        ),
        (
            "[rules]\nrecommendations = \"for_you\"",
            "vitrine.toml line 2: `rules.recommendations` is \"for_you\", but no model",
        ),
        (
            "[shadow]\nenabled = \"on\"\nrecommendations = \"for_you\"",
            "vitrine.toml line 3: `shadow.recommendations` is \"for_you\", but no model",
        ),
    ] {
        let message = file(text).message();
        assert!(message.starts_with(part), "{message}");
    }
}

#[test]
fn a_bucket_that_cannot_be_one_is_named_with_the_rules() {
    for wrong in ["s3:/shop/p", "s3://b/p", "s3://Shop/p", "s3://shop/a//b"] {
        let message = file(&format!("[archive]\nto = \"{wrong}\"")).message();
        assert!(message.contains(wrong) && message.contains("3 to 63 of a-z, 0-9, `.` and `-` in BUCKET"), "{message}");
    }
}

#[test]
fn a_chain_may_name_the_models_that_are_on() {
    let on = "[models.co_views]\nenabled = \"on\"\n[rules]\nrecommendations = \"for_you\"\n";
    let config = file(&format!("{on}[recommendations]\nbasket = [\"best_sellers\", \"co_views\"]")).config();
    assert_eq!(config.recommendations.basket.len(), 2);
    file("[models.als]\nenabled = \"on\"\n[recommendations]\nhome = [\"als\"]").config();
    let message = file("[recommendations]\nproduct = [\"best_sellers\", \"best_sellers\"]").message();
    assert!(message.contains("a list of sources, none twice"), "{message}");
    let copied = "[sinks.postgres]\nurl = \"postgresql://a@b/c\"\ntable = \"t\"\nlists = [\"similar\"]\n";
    file(&format!("{on}{copied}")).config();
    file("[sinks.postgres]\nlists = [\"similar\"]").config();
    // The defaults pass over a model that is off.
    file("[recommendations]\nfill = \"interleave\"").config();
}

#[test]
fn order_time_is_a_column_or_first_seen() {
    let order_time = |value: &str| {
        file("").flag("--set", "postgres.order_time", value).config().postgres.expect("given").tables.orders.time
    };
    assert_eq!(order_time("placed_at"), OrderTime::Column("placed_at".into()));
    assert_eq!(order_time("first_seen"), OrderTime::FirstSeen);
}

#[test]
fn the_log_level_has_a_short_form() {
    let log = file("[log]\nlevel = \"warn\"\nformat = \"json\"").env("VITRINE_LOG", "debug").config().log;
    assert_eq!((log.level.as_str(), log.format), ("debug", LogFormat::Json));
}

#[test]
fn the_example_file_holds_every_setting_at_its_default() {
    printed("vitrine.toml", &example());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vitrine.toml");
    let text = std::fs::read_to_string(&path).expect("the example stands at the root");
    let from_example = Config::load(&Request { file: Some(path), ..Request::default() }).expect("the example is sound");
    let from_defaults = file("[kafka]\n[postgres]\n").config();
    assert_eq!(from_example, from_defaults);
    for setting in sections().flat_map(|section| &section.settings).filter(|setting| !setting.is_free()) {
        let line = format!("{} = {}", setting.name(), setting.default());
        assert!(text.lines().any(|known| known.trim_start_matches("# ") == line), "{line}");
    }
}

#[test]
fn the_documentation_lists_every_setting() {
    let text = format!(
        "# Settings\n\nGenerated from the declarations of the settings in the code. `vitrine.toml` is the same list as a \
         commented example file.\n\n<!-- settings -->\n{}<!-- /settings -->\n",
        reference_table()
    );
    printed("docs/settings.md", &text);
    for setting in sections().flat_map(|section| &section.settings) {
        assert!(text.contains(&format!("| `{}", setting.key)) && text.contains(setting.sentence), "{}", setting.key);
    }
}

/// Compares a file of the repository with what it is printed from.
#[track_caller]
fn printed(name: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var(UPDATE).is_ok_and(|value| value == "1") {
        std::fs::write(&path, wanted).expect("the file is written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, wanted,
        "{name} is not as the settings print it; {UPDATE}=1 cargo test --test program settings writes it"
    );
}

#[test]
fn a_status_column_and_its_values_go_together() {
    let orders = |text: &str| format!("[postgres.tables.orders]\n{text}");
    let tables = |text: &str| file(&orders(text)).config().postgres.expect("given").tables.orders;
    assert_eq!(tables("").status, None);
    let given = tables("status = \"state\"\nstatus_counts = [\"paid\", \"shipped\"]");
    let counting = vec!["paid".into(), "shipped".into()];
    assert_eq!(given.status, Some(Status { column: "state".into(), counting }));
    assert!(file(&orders("status = \"state\"")).message().contains("no value with which an order counts"));
    assert!(
        file(&orders("status_counts = [\"paid\"]")).message().contains("`postgres.tables.orders.status` no column")
    );
    assert!(file(&orders("status_counts = [\"paid\", \"\"]")).message().contains("a list of texts"));
}
