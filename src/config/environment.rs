//! Settings in the environment: `VITRINE__SECTION__KEY`, and `VITRINE_LOG` as a short form of the log level.
//!
//! A variable that is a setting but for its underscores is an error, as any unknown setting is. All others of one underscore are
//! of other programs: Kubernetes names the addresses of a service `vitrine-store` so, `VITRINE_STORE_PORT` and others.

use super::problem::{Origin, Problem};
use super::raw::{KeyValue, Raw};
use super::{client, setting};

/// Beginning of every variable that is a setting.
const PREFIX: &str = "VITRINE__";
/// Beginning of the variables that may have been meant as settings.
const NEAR_PREFIX: &str = "VITRINE_";
/// Short form of `VITRINE__LOG__LEVEL`.
const LOG_SHORT: &str = "VITRINE_LOG";
const LOG_LEVEL: &str = "log.level";

/// All settings the environment gives.
pub(super) fn read(environment: &[(String, String)]) -> Vec<KeyValue> {
    let mut given: Vec<KeyValue> = environment
        .iter()
        .filter_map(|(name, value)| Some(given(key(name.strip_prefix(PREFIX)?), name, value)))
        .collect();
    let short = environment.iter().find(|(name, value)| name == LOG_SHORT && !value.is_empty());
    if let Some((name, value)) = short.filter(|_| given.iter().all(|given| given.key != LOG_LEVEL)) {
        given.push(self::given(LOG_LEVEL.to_owned(), name, value));
    }
    given
}

/// The variables that would be settings with two underscores in the places of one.
pub(super) fn mistaken(environment: &[(String, String)]) -> Vec<Problem> {
    let names = environment.iter().map(|(name, _)| name).filter(|name| !name.starts_with(PREFIX));
    names.filter_map(|name| Some(Problem::Underscores { name: name.clone(), meant: meant(name)? })).collect()
}

/// The variable of the setting that the name was probably meant for.
fn meant(name: &str) -> Option<String> {
    let wanted = name.strip_prefix(NEAR_PREFIX)?.to_lowercase().replace("__", "_");
    let key = setting::settings().filter(|setting| !setting.is_free()).find_map(|setting| {
        let flat = setting.key.replace('.', "_");
        match wanted.strip_prefix(&flat)? {
            "" => Some(setting.key.to_owned()),
            "_file" if setting.secret => Some(format!("{}_file", setting.key)),
            _ => None,
        }
    })?;
    Some(format!("{PREFIX}{}", key.replace('.', "__").to_uppercase()))
}

fn given(key: String, name: &str, value: &str) -> KeyValue {
    KeyValue { key, raw: Raw::Loose(value.to_owned()), origin: Origin::Environment(name.to_owned()) }
}

/// `KAFKA__CLIENT__SASL_PASSWORD_FILE` is `kafka.client.sasl.password_file`: librdkafka's keys have dots where a
/// variable's name cannot.
fn key(name: &str) -> String {
    let key = name.to_lowercase().replace("__", ".");
    let Some(client) = key.strip_prefix(client::CLIENT).and_then(|rest| rest.strip_prefix('.')) else {
        return key;
    };
    match client.strip_suffix("_file") {
        Some(direct) => format!("{}.{}_file", client::CLIENT, direct.replace('_', ".")),
        None => format!("{}.{}", client::CLIENT, client.replace('_', ".")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_keys() {
        assert_eq!(key("SERVER__LISTEN"), "server.listen");
        assert_eq!(key("POSTGRES__TABLES__ORDERS__USER_ID"), "postgres.tables.orders.user_id");
        assert_eq!(key("KAFKA__CLIENT__SECURITY_PROTOCOL"), "kafka.client.security.protocol");
        assert_eq!(key("KAFKA__CLIENT__SASL_PASSWORD_FILE"), "kafka.client.sasl.password_file");
    }

    #[test]
    fn a_setting_with_single_underscores_is_told_from_other_programs_variables() {
        for (name, variable) in [
            ("VITRINE_SERVER_THREADS", "VITRINE__SERVER__THREADS"),
            ("VITRINE_SERVER__THREADS", "VITRINE__SERVER__THREADS"),
            ("VITRINE_POSTGRES_TABLES_ORDERS_USER_ID", "VITRINE__POSTGRES__TABLES__ORDERS__USER_ID"),
            ("VITRINE_POSTGRES_URL_FILE", "VITRINE__POSTGRES__URL_FILE"),
            ("VITRINE_LOG_LEVEL", "VITRINE__LOG__LEVEL"),
        ] {
            assert_eq!(meant(name).as_deref(), Some(variable), "{name}");
        }
        let others = [
            "VITRINE_CONFIG",
            "VITRINE_LOG",
            "VITRINE_KEY",
            "VITRINE_URL",
            "VITRINE_TOKEN",
            "VITRINE_ARCHIVE_KILLS",
            "VITRINE_STORE_PORT",
            "VITRINE_KAFKA_SERVICE_HOST",
            "VITRINE_SERVER_SERVICE_PORT_HTTP",
            "VITRINE_POSTGRES_PORT_5432_TCP_ADDR",
            "SERVER_THREADS",
        ];
        assert_eq!(others.map(meant), [const { None }; 11]);
        let environment = [("VITRINE__SERVER__THREADS", "2"), ("VITRINE_SERVER_THREADS", "4")];
        let problems = mistaken(&environment.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(problems.len(), 1);
        assert_eq!(
            problems[0].to_string(),
            "environment variable VITRINE_SERVER_THREADS is no setting; did you mean `VITRINE__SERVER__THREADS`, with two \
             underscores?"
        );
    }

    #[test]
    fn the_long_form_of_the_log_level_wins() {
        let given = read(&[
            ("VITRINE_LOG".into(), "debug".into()),
            ("VITRINE__LOG__LEVEL".into(), "warn".into()),
            ("VITRINE_CONFIG".into(), "x".into()),
        ]);
        assert_eq!(given.len(), 1);
        assert_eq!(given[0].raw, Raw::Loose("warn".into()));
    }
}
