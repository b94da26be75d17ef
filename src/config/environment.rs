//! Settings in the environment: `VITRINE__SECTION__KEY`, and `VITRINE_LOG` as a short form of the log level.

use super::client;
use super::problem::Origin;
use super::raw::{KeyValue, Raw};

/// Beginning of every variable that is a setting. Variables of one underscore are not settings.
const PREFIX: &str = "VITRINE__";
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
