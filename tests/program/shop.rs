//! The whole system in the test's own process, on files in a temporary directory.

use std::path::Path;
use std::time::Duration;

use harness::{http, wait_until};
use tempfile::TempDir;
use vitrine::clock::wall_ms;
use vitrine::config::{Config, Flag, Request};
use vitrine::system::System;

/// More than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// The time a clean end may take.
const STOP: Duration = Duration::from_secs(60);

/// The server has time for clients that a busy machine holds up, and for writes that they wait for.
const PATIENT: [(&str, &str); 2] = [("server.header_timeout_ms", "60000"), ("server.wait_ms_max", "60000")];

/// A running system; stopped in order when it is dropped.
pub(crate) struct Shop {
    system: Option<System>,
    address: String,
    dir: TempDir,
}

impl Shop {
    /// Fills the directory, starts the system on it with these settings over the defaults, and waits until it has read
    /// everything.
    #[track_caller]
    pub(crate) fn open(settings: &[(&str, &str)], fill: impl FnOnce(&Path)) -> Shop {
        let dir = TempDir::with_prefix("vitrine-shop-").expect("a temporary directory");
        fill(dir.path());
        let files = dir.path().to_str().expect("a temporary directory has a plain name");
        let own = [("files.dir", files), ("server.listen", "127.0.0.1:0")];
        let flag =
            |(key, value): &(&str, &str)| Flag { name: "--set".into(), key: (*key).into(), value: (*value).into() };
        let flags = own.iter().chain(&PATIENT).chain(settings).map(flag).collect();
        let config = Config::load(&Request { flags, ..Request::default() }).expect("the test's settings are sound");
        let system = System::start(&config).expect("the system starts");
        let shop = Shop { address: system.address().to_string(), system: Some(system), dir };
        wait_until(SOON, "the system is ready", || http::get(&shop.url("/readyz")).status == 200);
        shop.settle();
        shop
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The files it reads and writes.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Waits until a tick has closed that was opened after this call: what had been read by now is shown then.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let now = wall_ms();
        wait_until(SOON, "a tick closes", || {
            http::get(&self.url("/v1/status")).json()["as_of_ms"].as_u64().is_some_and(|as_of| as_of > now)
        });
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let stopped = self.system.take().map_or(Ok(()), |system| system.stop(STOP));
        if !std::thread::panicking() {
            stopped.expect("the system stops in order");
        }
    }
}
