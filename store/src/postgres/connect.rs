//! How the store gets connections: the program that uses the store opens them.

use std::ops::DerefMut;
use std::time::Duration;

use postgres::Client;

/// A connection, with whatever limits its waits.
pub type PgClient = Box<dyn DerefMut<Target = Client> + Send>;

/// Opens a connection, or says why there is none, without secrets. The server may take this long for one statement; if
/// there is no time, as long as it may for a request.
pub type Connect = dyn Fn(Option<Duration>) -> Result<PgClient, String> + Send + Sync;
