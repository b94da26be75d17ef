//! The ceiling of look-ups: a bare hyper with the product's layout of threads that answers a constant.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Response, server::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// Connections on their way to a serving thread, at most.
const ARRIVALS_MAX: usize = 1024;

#[derive(Debug, Args)]
pub(crate) struct BareHttpArgs {
    listen: SocketAddr,
    /// Serving threads; one more accepts.
    threads: usize,
    /// Bytes of the answer's body.
    bytes: usize,
}

/// Serves until killed.
pub(crate) fn run(args: &BareHttpArgs) -> anyhow::Result<()> {
    let body = Bytes::from(vec![b'x'; args.bytes]);
    let lanes: Vec<_> = (0..args.threads).map(|_| lane(body.clone())).collect::<anyhow::Result<_>>()?;
    let listener = std::net::TcpListener::bind(args.listen).context("cannot listen")?;
    for turn in 0.. {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let lane: &mpsc::Sender<_> = &lanes[turn % lanes.len()];
        lane.blocking_send(stream).context("a serving thread has ended")?;
    }
    Ok(())
}

fn lane(body: Bytes) -> anyhow::Result<mpsc::Sender<std::net::TcpStream>> {
    let (lane, mut arrivals) = mpsc::channel::<std::net::TcpStream>(ARRIVALS_MAX);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        LocalSet::new().block_on(&runtime, async {
            while let Some(stream) = arrivals.recv().await {
                let Ok(stream) = TcpStream::from_std(stream) else { continue };
                tokio::task::spawn_local(serve(stream, body.clone()));
            }
        });
    });
    Ok(lane)
}

async fn serve(stream: TcpStream, body: Bytes) {
    let answer = service_fn(move |_| {
        let mut response = Response::new(Full::new(body.clone()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        std::future::ready(Ok::<_, Infallible>(response))
    });
    // The load generator closes its connections when its time is up.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}
