//! Look-ups of users that another process of the cluster holds: asked of that process, and answered with what it says.
//!
//! ```text
//! client ─▶ this process ── request, how far this one has answered ──▶ owner: waits until it shows that, answers
//!        ◀─ waits until it shows as much ◀── answer, how far the owner has answered ──
//! ```
//! So `as_of` does not go back for a client that asks one process, whoever holds the users. A request is passed on once:
//! the field that says how far also says that it was passed on.

mod counts;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use dataflow::time::Time;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::answer::MISSING;
use crate::app::Peers;
use crate::body::Body;
use crate::dispatch::Asked;
use crate::endpoints::{self, Reply};
use crate::limits::Places;
use crate::problem::{Away, Problem};
use crate::route::Route;
use crate::server::connection_state::ConnectionState;
use crate::settings::Settings;
use crate::shared::Shared;

use counts::Counts;

/// In a request: passed on by a process that has shown the state of this time. In its answer: the same of the owner.
const SHOWN: HeaderName = HeaderName::from_static("vitrine-shown-ms");

/// Fields of a request that an owner needs.
const PASSED: [HeaderName; 2] = [HeaderName::from_static("user-id"), HeaderName::from_static("product-id")];

/// Far more than any answer on a user takes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(1);

/// Idle connections kept to each process.
const IDLE_MAX: usize = 64;

type Sender = SendRequest<Empty<Bytes>>;

/// The way to the other processes.
pub(crate) struct Forward {
    owners: Vec<Arc<Owner>>,
    places: Places,
    timeout: Duration,
    counts: Arc<Counts>,
}

/// Another process.
struct Owner {
    address: String,
    host: Option<HeaderValue>,
    idle: Mutex<Vec<Sender>>,
}

impl Forward {
    pub(crate) fn new(peers: &Peers, settings: &Settings) -> Self {
        let owner = |address: &String| {
            let host = HeaderValue::from_str(address).ok();
            Arc::new(Owner { address: address.clone(), host, idle: Mutex::default() })
        };
        // The owner may wait for this process's state, for a token, for the log and for the removal to show.
        let timeout_ms = 3 * settings.wait_ms_max + settings.intake_timeout_ms + 1_000;
        Forward {
            owners: peers.addresses.iter().map(owner).collect(),
            places: Places::new(settings.waits_max),
            timeout: Duration::from_millis(timeout_ms),
            counts: Arc::default(),
        }
    }

    /// What became of the requests so far.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Passes a request on to the process that holds its user.
    pub(crate) fn send(&self, shared: &Arc<Shared>, owner: usize, asked: &Asked<'_>) -> Reply {
        self.counts.ask();
        let failed = |problem| {
            self.counts.fail(&problem);
            Reply::failed(problem)
        };
        let Some(owner) = self.owners.get(owner).cloned() else { return failed(Problem::Misrouted) };
        let Some(place) = self.places.take() else { return failed(Problem::Busy("look-ups in other processes")) };
        let (shared, timeout, counts) = (shared.clone(), self.timeout, self.counts.clone());
        let passing = Passing::new(asked, shared.app.reader.snapshots().closed().saturating_sub(1), &owner);
        Reply::Later(Box::pin(async move {
            let answered = tokio::time::timeout(timeout, owner.ask(&passing)).await;
            drop(place);
            let answered = match answered.unwrap_or(Err(Problem::OwnerAway(Away::Late))) {
                Ok(response) => caught_up(&shared, response).await,
                Err(problem) => Err(problem),
            };
            answered.inspect_err(|problem| counts.fail(problem))
        }))
    }
}

/// The owner's answer, once this process shows as much as the owner did.
async fn caught_up(shared: &Shared, response: Response<Bytes>) -> Result<Response<Body>, Problem> {
    let within = Duration::from_millis(shared.settings.wait_ms_max);
    match shown(response.headers()) {
        Some(shown) if !shared.waits.shown(shown, within).await? => Err(Problem::Behind),
        _ => Ok(of_owner(response)),
    }
}

/// A request on its way to its owner.
struct Passing {
    method: Method,
    target: Uri,
    headers: HeaderMap,
}

impl Passing {
    fn new(asked: &Asked<'_>, shown: Time, owner: &Owner) -> Self {
        let mut headers = HeaderMap::new();
        for name in PASSED {
            headers.extend(asked.headers.get(&name).map(|value| (name, value.clone())));
        }
        headers.insert(SHOWN, HeaderValue::from(shown));
        headers.extend(owner.host.as_ref().map(|host| (HOST, host.clone())));
        // HEAD is answered from what GET says: the server sends it without its body.
        let method = if *asked.method == Method::HEAD { Method::GET } else { asked.method.clone() };
        let target = asked.uri.path_and_query().map_or_else(|| asked.uri.clone(), |target| target.clone().into());
        Passing { method, target, headers }
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

impl Owner {
    /// Asks on a connection that is open, or on a new one.
    async fn ask(&self, passing: &Passing) -> Result<Response<Bytes>, Problem> {
        while let Some(mut sender) = self.take_idle() {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(passing.request()).await {
                Ok(response) => return self.read(sender, response).await,
                // It was closed before anything was sent, or it is only a look-up: it can be asked again.
                Err(error) if error.message().is_some() || passing.method == Method::GET => {}
                Err(_) => return Err(BROKEN),
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(passing.request()).await.map_err(|_| BROKEN)?;
        self.read(sender, response).await
    }

    fn take_idle(&self) -> Option<Sender> {
        self.idle.lock().expect("no holder of this lock can panic").pop()
    }

    async fn connect(&self) -> Result<Sender, Problem> {
        let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(&self.address)).await;
        let stream = connecting.ok().and_then(Result::ok).ok_or(Problem::OwnerAway(Away::Unreachable))?;
        // A connection without it is slower, and as good otherwise.
        let _ = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| BROKEN)?;
        // It ends with its sender; what went wrong on it is told to whoever waits for the answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    async fn read(&self, sender: Sender, response: Response<Incoming>) -> Result<Response<Bytes>, Problem> {
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|_| BROKEN)?;
        let mut idle = self.idle.lock().expect("no holder of this lock can panic");
        if idle.len() < IDLE_MAX && !sender.is_closed() {
            idle.push(sender);
        }
        Ok(Response::from_parts(parts, body.to_bytes()))
    }
}

const BROKEN: Problem = Problem::OwnerAway(Away::Broken);

/// The owner's answer as the client gets it.
fn of_owner(response: Response<Bytes>) -> Response<Body> {
    let (parts, bytes) = response.into_parts();
    let mut answer = Response::new(Body::Whole(bytes));
    *answer.status_mut() = parts.status;
    for name in [CONTENT_TYPE, RETRY_AFTER, MISSING] {
        answer.headers_mut().extend(parts.headers.get(&name).map(|value| (name, value.clone())));
    }
    answer
}

/// How far the process that passed this request on had answered; none where a client asks.
pub(crate) fn asked_after(headers: &HeaderMap) -> Option<Time> {
    shown(headers)
}

fn shown(headers: &HeaderMap) -> Option<Time> {
    headers.get(SHOWN)?.to_str().ok()?.parse().ok()
}

/// Answers a request that another process passed on, from a state that is no older than what that one has shown.
pub(crate) fn answer_for_another(
    shared: &Arc<Shared>,
    slot: &Arc<ConnectionState>,
    asked: Asked<'_>,
    body: Incoming,
    after: Time,
) -> Reply {
    let (shared, slot) = (shared.clone(), slot.clone());
    let (method, uri, headers) = (asked.method.clone(), asked.uri.clone(), asked.headers);
    Reply::Later(Box::pin(async move {
        let within = Duration::from_millis(shared.settings.wait_ms_max);
        if !shared.waits.shown(after, within).await? {
            return Err(Problem::Behind);
        }
        let route = Route::find(uri.path()).ok_or(Problem::UnknownPath)?;
        let asked = Asked { method: &method, uri: &uri, headers };
        let mut response = match endpoints::answer_here(&shared, &slot, route, asked, body)? {
            Reply::Now(response) => response,
            Reply::Later(later) => later.await?,
        };
        let shown = shared.app.reader.snapshots().closed().saturating_sub(1);
        response.headers_mut().insert(SHOWN, HeaderValue::from(shown));
        Ok(response)
    }))
}
