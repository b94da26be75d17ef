//! The server's threads: one that accepts, some that serve, each with a runtime of its own.

pub(crate) mod accept;
pub(crate) mod connection;
pub(crate) mod connection_state;
pub(crate) mod lingering;
pub(crate) mod serving;
pub(crate) mod shutdown;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Runtime};

use crate::app::App;
use crate::settings::Settings;
use crate::shared::Shared;
use shutdown::Shutdown;

/// The server could not start.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP server could not start: {0}")]
pub struct StartError(#[from] io::Error);

/// A thread of the server ended in a panic.
#[derive(Debug, thiserror::Error)]
#[error("the thread {0} of the HTTP server ended unexpectedly")]
pub struct ThreadPanicked(String);

/// A running server.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the server to end, which it does once its [`Shutdown`] has begun and requests in flight are answered,
    /// or `shutdown_ms` later.
    ///
    /// # Errors
    /// When one of its threads had panicked.
    pub fn join(self) -> Result<(), ThreadPanicked> {
        let mut result = Ok(());
        for thread in self.threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            // All are waited for, even after one has failed.
            result = thread.join().map_err(|_| ThreadPanicked(name)).and(result);
        }
        result
    }
}

/// Serves `app` on `listener` until `shutdown` begins; returns at once.
///
/// # Errors
/// When the listener or a thread cannot be set up.
pub fn serve(listener: TcpListener, settings: Settings, app: App, shutdown: Shutdown) -> Result<Running, StartError> {
    let settings = Settings { threads: settings.threads.max(1), ..settings };
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let shared = Arc::new(Shared::new(app, settings, shutdown));
    let (mut threads, mut lanes) = (Vec::new(), Vec::new());
    for index in 0..shared.settings.threads {
        let (lane, arrivals) = accept::lane(&shared);
        let (shared, counters) = (shared.clone(), shared.counters[index].clone());
        threads.push(spawn(format!("http-{index}"), move |runtime| {
            runtime.block_on(serving::run(shared, counters, arrivals));
        })?);
        lanes.push(lane);
    }
    threads.push(spawn("http-accept".into(), move |runtime| {
        runtime.block_on(accept::run(listener, lanes, shared));
    })?);
    Ok(Running { address, threads })
}

fn spawn(name: String, run: impl FnOnce(Runtime) + Send + 'static) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build()?;
    std::thread::Builder::new().name(name).spawn(move || run(runtime))
}
