//! A connection string without its hosts, with limits for sockets where it sets none.

use std::time::Duration;

use postgres::Config;

/// Keepalives: the time before the first one, between two of them, and their number.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEPALIVES_MAX: u32 = 3;

/// How long sent data may stay unacknowledged.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(20);

/// The configuration without its hosts, with limits where it sets none.
pub(crate) fn without_hosts(named: &Config) -> Config {
    let mut config = Config::new();
    if let Some(user) = named.get_user() {
        config.user(user);
    }
    if let Some(password) = named.get_password() {
        config.password(password);
    }
    if let Some(database) = named.get_dbname() {
        config.dbname(database);
    }
    if let Some(options) = named.get_options() {
        config.options(options);
    }
    if let Some(timeout) = named.get_connect_timeout() {
        config.connect_timeout(*timeout);
    }
    config
        .application_name(named.get_application_name().unwrap_or("vitrine"))
        .channel_binding(named.get_channel_binding())
        .target_session_attrs(named.get_target_session_attrs())
        .load_balance_hosts(named.get_load_balance_hosts())
        .tcp_user_timeout(named.get_tcp_user_timeout().copied().unwrap_or(UNACKNOWLEDGED_MAX))
        .keepalives(named.get_keepalives())
        .keepalives_idle(named.get_keepalives_idle().min(KEEPALIVE))
        .keepalives_interval(named.get_keepalives_interval().unwrap_or(KEEPALIVE_EVERY))
        .keepalives_retries(named.get_keepalives_retries().unwrap_or(KEEPALIVES_MAX))
        // Notices, such as a missing object of IF EXISTS. The driver would log them at a higher level.
        .notice_callback(|notice| {
            tracing::debug!(severity = notice.severity(), said = notice.message(), "PostgreSQL");
        });
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Config {
        without_hosts(&url.parse().unwrap())
    }

    #[test]
    fn the_systems_waits_have_limits_and_the_urls_own_are_kept() {
        let config = of("postgresql://u@127.0.0.1/shop");
        assert_eq!(config.get_tcp_user_timeout(), Some(&UNACKNOWLEDGED_MAX));
        assert_eq!(
            (config.get_keepalives_idle(), config.get_keepalives_interval()),
            (KEEPALIVE, Some(KEEPALIVE_EVERY))
        );
        assert_eq!((config.get_keepalives_retries(), config.get_hosts().len()), (Some(KEEPALIVES_MAX), 0));
        let config = of("postgresql://u@127.0.0.1/shop?tcp_user_timeout=7&keepalives_idle=3&application_name=till");
        assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(7)));
        assert_eq!(
            (config.get_keepalives_idle(), config.get_application_name()),
            (Duration::from_secs(3), Some("till"))
        );
    }
}
