//! Errors of the driver as messages for people.

use std::error::Error as _;

use postgres::error::SqlState;

use crate::postgres::session::wait_limits::WaitExceeded;

/// The words with which the server, from 14 on and before, reports that no line of pg_hba.conf allows a connection without TLS.
const UNENCRYPTED: [&str; 2] = ["no encryption", "SSL off"];

/// The server's message if it sent one (the driver itself says only "db error"), the exceeded limit if we gave up, or else the
/// chain of causes. It never holds the connection string. A server that demands TLS gets an explanation of its own, because
/// its message does not name the reason.
pub fn error_text(error: &postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        let hint = server.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let demands_tls = *server.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            && UNENCRYPTED.iter().any(|word| server.message().contains(word));
        let limit = if demands_tls {
            "; the server takes connections with TLS only: `sslmode` of the connection string must not be disable"
        } else {
            ""
        };
        return format!("{}{hint}{limit}", server.message());
    }
    if let Some(given_up) = WaitExceeded::of(error) {
        return given_up.to_string();
    }
    let mut chain: Vec<String> = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some errors repeat their cause in their own text.
        if !chain.last().is_some_and(|last| last.contains(&text)) {
            chain.push(text);
        }
        cause = error.source();
    }
    chain.join(": ")
}
