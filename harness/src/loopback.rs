//! A listener on loopback with a task for each connection, on a thread of its own; the proxy and the silent server use
//! it.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::wait_for;

/// Much longer than a port stays taken after its server has gone.
const FREED: Duration = Duration::from_secs(60);

/// The running listener. When it is dropped, the port is free again and all connections are closed.
#[derive(Debug)]
pub(crate) struct Listener {
    port: u16,
    accepted: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on that port of 127.0.0.1, or on any free one if it is 0. Each connection is given to `serve`.
    #[track_caller]
    pub(crate) fn start<F>(port: u16, serve: impl Fn(TcpStream) -> F + Send + 'static) -> Listener
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let what = format!("127.0.0.1:{port} is free");
        let listener = wait_for(FREED, &what, || match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => Some(listener),
            // A process forked a moment ago holds a copy of the listener that was here until it executes its program.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => None,
            Err(error) => panic!("cannot listen on 127.0.0.1:{port}: {error}"),
        });
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = oneshot::channel();
        let count = accepted.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            let accept = accept(listener, count, serve);
            // Connections end with the runtime.
            runtime.expect("a runtime starts").block_on(async {
                tokio::select! {
                    failed = accept => failed.expect("a listener of our own accepts connections"),
                    _ = stopped => {}
                }
            });
        });
        Listener { port, accepted, stop: Some(stop), thread: Some(thread) }
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many connections have been accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // The panic message has been printed already.
            let _ = thread.join();
        }
    }
}

async fn accept<F>(listener: TcpListener, count: Arc<AtomicUsize>, serve: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        count.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(serve(stream));
    }
}
