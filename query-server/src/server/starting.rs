//! Answers on the server's address before the server does: the process lives, and waits for the other processes of the cluster.
//!
//! ```text
//! listener ─▶ one thread ─▶ (TLS) ─▶ one request ─▶ /livez: 200, all else: 503 ─▶ the connection ends
//! ```
//! At the end no connection is accepted any more: the next one waits for the server. Those that were accepted get their answer if
//! their request comes at once.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};

use super::transport::Transport;
use super::{StartError, spawn};
use crate::answer::problem::problem;
use crate::answer::simple;
use crate::body::Body;
use crate::cors::Cors;
use crate::endpoints::health;
use crate::envelope::Envelope;
use crate::header_names::X_REQUEST_ID;
use crate::problem::Problem;
use crate::tls::Tls;

/// Connections that are answered at a time. Further ones wait until they are accepted.
const CONNECTIONS_MAX: u32 = 256;

/// Time limit from the begin of a connection to its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the rest of a request is read and thrown away, so that the client gets to read the answer.
const LINGER: Duration = Duration::from_secs(1);

/// How long the end waits for accepted connections to be answered.
const LAST: Duration = Duration::from_millis(200);

/// The pause after an error of the system, such as no free file descriptor.
const PAUSE: Duration = Duration::from_millis(100);

/// The answers of a process that starts. Dropping it ends them.
#[derive(Debug)]
pub struct Starting {
    end: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Starting {
    /// Begins to answer on `listener`, with TLS if there is a certificate.
    ///
    /// # Errors
    /// When the listener or the thread cannot be set up.
    pub fn begin(listener: &TcpListener, tls: Option<Arc<Tls>>) -> Result<Starting, StartError> {
        let listener = listener.try_clone()?;
        listener.set_nonblocking(true)?;
        let (end, ended) = oneshot::channel();
        let thread = spawn("http-starting".into(), move |runtime| runtime.block_on(run(listener, tls, ended)))?;
        Ok(Starting { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        drop(self.end.take());
        // A panic of the thread has been reported where it happened.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn run(listener: TcpListener, tls: Option<Arc<Tls>>, mut ended: oneshot::Receiver<Infallible>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("the runtime takes a nonblocking listener");
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
    loop {
        let accepting = async {
            let permit = free.clone().acquire_owned().await.expect("the semaphore is never closed");
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            biased;
            _ = &mut ended => break,
            accepted = accepting => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let tls = tls.clone();
                tokio::spawn(async move {
                    serve(stream, tls).await;
                    drop(permit);
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    drop(listener);
    // The connections that are still open then end with the runtime.
    let _ = tokio::time::timeout(LAST, free.acquire_many(CONNECTIONS_MAX)).await;
}

/// Answers the one request of a connection, if it comes in time.
async fn serve(stream: TcpStream, tls: Option<Arc<Tls>>) {
    match tls {
        None => linger(within(answered(stream)).await).await,
        Some(tls) => linger(within(async { answered(tls.accept(stream).await?).await }).await).await,
    }
}

async fn within<S>(answered: impl Future<Output = io::Result<S>>) -> io::Result<S> {
    tokio::time::timeout(REQUEST_TIMEOUT, answered).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The stream, with its answer written.
async fn answered<S: Transport>(stream: S) -> io::Result<S> {
    let mut http = http1::Builder::new();
    http.keep_alive(false).header_read_timeout(None);
    let service = service_fn(|request: Request<Incoming>| ready(Ok::<_, Infallible>(respond(&request))));
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let parts = connection.without_shutdown().await.map_err(io::Error::other)?;
    Ok(parts.io.into_inner())
}

/// Ends a connection so that the client gets to read the answer.
async fn linger<S: Transport>(answered: io::Result<S>) {
    let Ok(mut stream) = answered else { return };
    let drained = async {
        stream.shutdown().await?;
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored).await? > 0 {}
        io::Result::Ok(())
    };
    // The connection ends here, whether the client has read the answer or not.
    let _ = tokio::time::timeout(LINGER, drained).await;
}

fn respond(request: &Request<Incoming>) -> Response<Body> {
    let headers = request.headers();
    let mut envelope = match Envelope::of(headers, headers.contains_key(X_REQUEST_ID), &Cors::Off) {
        Ok(envelope) => envelope,
        Err(fault) => return problem(&fault, true),
    };
    let is_live = matches!(*request.method(), Method::GET | Method::HEAD) && health::LIVE.is_at(request.uri().path());
    let mut response = if is_live { simple::live() } else { problem(&Problem::Joining, true) };
    envelope.request_id();
    envelope.write(&mut response);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
