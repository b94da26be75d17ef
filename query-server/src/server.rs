//! The server's threads: one accepts, the others serve. Each has a runtime of its own.

pub(crate) mod accept;
pub(crate) mod connection;
pub(crate) mod lingering;
pub(crate) mod serving;
mod starting;
pub(crate) mod transport;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Runtime};

use crate::app::App;
use crate::dispatch::Thread;
use crate::endpoints::{self, ENDPOINTS};
use crate::openapi;
use crate::operations::Operations;
use crate::parameters::ParameterBounds;
use crate::router::router;
use crate::settings::Settings;
use crate::shutdown::Shutdown;

pub use starting::Starting;

/// The server could not start.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP server could not start: {0}")]
pub struct StartError(#[from] io::Error);

/// A thread of the server panicked.
#[derive(Debug, thiserror::Error)]
#[error("the thread {0} of the HTTP server panicked")]
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

    /// Waits for the server to end. It ends when its [`Shutdown`] has begun and requests in flight are answered, at most
    /// `shutdown_ms` later.
    ///
    /// # Errors
    /// When one of its threads has panicked.
    pub fn join(self) -> Result<(), ThreadPanicked> {
        let mut result = Ok(());
        for thread in self.threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            // Every thread is waited for, also after one has failed.
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
    let bounds = ParameterBounds::new(app.reader.rules(), settings.wait_ms_max);
    let openapi = openapi::document(app.version, ENDPOINTS, bounds).to_json().expect("the document is plain data");
    let operations = Arc::new(Operations::new(app, settings, shutdown, &endpoints::labels(), openapi.into()));
    let router = router(&operations);
    let (mut threads, mut queues) = (Vec::new(), Vec::new());
    for (index, counters) in operations.counters.iter().enumerate() {
        let (queue, arrivals) = accept::queue(&operations);
        let thread = Thread { operations: operations.clone(), router: router.clone(), counters: counters.clone() };
        threads.push(spawn(format!("http-{index}"), move |runtime| {
            runtime.block_on(serving::run(thread, arrivals));
        })?);
        queues.push(queue);
    }
    threads.push(spawn("http-accept".into(), move |runtime| {
        runtime.block_on(accept::run(listener, queues, operations));
    })?);
    Ok(Running { address, threads })
}

fn spawn(name: String, run: impl FnOnce(Runtime) + Send + 'static) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build()?;
    std::thread::Builder::new().name(name).spawn(move || run(runtime))
}
