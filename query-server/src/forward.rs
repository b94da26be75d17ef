//! Requests for users whose rows another process of the cluster holds: passed on to it, and its answer passed back.
//!
//! ```text
//! client ─▶ this process ── request, newest tick shown here ──▶ owner: waits until it shows that tick, answers
//!        ◀─ waits until it shows that tick ◀── answer, newest tick shown there ──
//! ```
//! So `as_of` does not go back for a client of one process, whichever process holds the user. A request is passed on once: the
//! header field with the tick marks it as passed on, if it also has the secret of the processes; a client's field of that name has no
//! effect. If the servers speak TLS, so do these connections.

mod counts;

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dataflow::index_reader::IndexReader;
use dataflow::time::Time;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, DATE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::app::Peers;
use crate::body::Body;
use crate::limits::Limit;
use crate::parameters::Parameters;
use crate::problem::{OwnerFailure, Problem};
use crate::settings::Settings;
use crate::tls::Tls;
use crate::visibility::VisibilityWaits;

use counts::Counts;

/// In a passed-on request: the newest tick that the sender has shown, a space, and the secret of the processes. In the answer: the
/// newest tick of the owner.
const SHOWN: HeaderName = HeaderName::from_static("vitrine-shown-ms");

/// Header fields that belong to one connection or one hop. All others are passed on, in both directions.
const OF_ONE_HOP: [HeaderName; 13] = [
    CONNECTION,
    CONTENT_LENGTH,
    DATE,
    EXPECT,
    HOST,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    SHOWN,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// A limit for the answer of another process, above what the features of many users take.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// The longest time to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How much longer than its own wait a read may take: less than a second, so that the client gets an answer within one.
const READ_SPARE: Duration = Duration::from_millis(900);

/// The same for a write.
const WRITE_SPARE: Duration = Duration::from_secs(1);

/// Idle connections kept to each process.
const IDLE_MAX: usize = 64;

type Sender = SendRequest<Full<Bytes>>;

/// Which process answers a request about a user.
pub(crate) enum Answerer {
    /// This process, for a client.
    Here,
    /// This process, for another process that has shown this tick.
    HereFor { shown: Time },
    /// The process of this number.
    Process(usize),
}

/// Notes the newest tick shown here, in the answer to a request that another process has passed on.
pub(crate) fn stamp(headers: &mut HeaderMap, shown: Time) {
    headers.insert(SHOWN, HeaderValue::from(shown));
}

/// The newest tick that another process had shown when it answered.
fn shown(headers: &HeaderMap) -> Option<Time> {
    headers.get(SHOWN)?.to_str().ok()?.parse().ok()
}

/// How long a client waits for the answer of another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A read: as long as the request itself would wait.
    Read(Duration),
    /// A write that first waits this long for an earlier one: as long as the owner may take for it.
    Write(Duration),
}

impl Patience {
    /// The patience of a request with this method and these parameters.
    pub(crate) fn of(method: &Method, parameters: &Parameters) -> Patience {
        match *method {
            Method::GET | Method::HEAD => Patience::Read(parameters.wait),
            _ => Patience::Write(if parameters.after.is_some() { parameters.wait } else { Duration::ZERO }),
        }
    }
}

/// The way to the other processes.
pub(crate) struct Forward {
    owners: Vec<Arc<OwnerProcess>>,
    limit: Limit,
    /// The longest time that the owner takes for a write, besides a wait that the request asks for.
    write_max: Duration,
    wait_max: Duration,
    waits: Arc<VisibilityWaits>,
    counts: Arc<Counts>,
    secret: String,
}

/// Another process.
struct OwnerProcess {
    address: String,
    host: Option<HeaderValue>,
    /// The certificate of this process, with which it also knows the others; none without TLS.
    tls: Option<Arc<Tls>>,
    /// Whether TLS failed at the last attempt to connect: the log names the first failure only.
    is_refused: AtomicBool,
    idle: Mutex<Vec<Sender>>,
}

impl Forward {
    pub(crate) fn new(peers: &Peers, settings: &Settings, tls: Option<Arc<Tls>>, waits: Arc<VisibilityWaits>) -> Self {
        let owner = |address: &String| {
            let host = HeaderValue::from_str(address).ok();
            let (address, tls) = (address.clone(), tls.clone());
            Arc::new(OwnerProcess { address, host, tls, is_refused: AtomicBool::new(false), idle: Mutex::default() })
        };
        // The owner may wait for this process's state, for the log, and for the write to show.
        let write_ms_max = 2 * settings.wait_ms_max + settings.intake_timeout_ms;
        Forward {
            owners: peers.addresses.iter().map(owner).collect(),
            limit: Limit::new(settings.waits_max),
            write_max: Duration::from_millis(write_ms_max),
            wait_max: Duration::from_millis(settings.wait_ms_max),
            waits,
            counts: Arc::default(),
            secret: peers.secret.clone(),
        }
    }

    /// Which process answers a request about `user` with these header fields.
    ///
    /// # Errors
    /// When the processes do not agree on who holds the user.
    pub(crate) fn answerer(&self, reader: &IndexReader, user: &str, headers: &HeaderMap) -> Result<Answerer, Problem> {
        let owner = reader.owner_elsewhere(reader.dictionary().find_user(user));
        match (owner, self.passed_on(headers)) {
            (None, None) => Ok(Answerer::Here),
            (None, Some(shown)) => Ok(Answerer::HereFor { shown }),
            (Some(_), Some(_)) => Err(Problem::Misrouted),
            (Some(owner), None) => Ok(Answerer::Process(owner)),
        }
    }

    /// The newest tick that another process had shown when it passed the request on; none if it comes from a client.
    pub(crate) fn passed_on(&self, headers: &HeaderMap) -> Option<Time> {
        let (shown, secret) = headers.get(SHOWN)?.to_str().ok()?.split_once(' ')?;
        let is_known = bool::from(secret.as_bytes().ct_eq(self.secret.as_bytes()));
        is_known.then(|| shown.parse().ok()).flatten()
    }

    /// What marks a request as passed on by a process that has shown this tick.
    fn mark(&self, shown: Time) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("{shown} {}", self.secret)).ok()
    }

    /// How many requests were passed on, and how many failed.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Passes a request on to the process with the number `owner`, and waits for its answer with this patience.
    pub(crate) fn send(
        &self,
        owner: usize,
        patience: Patience,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> impl Future<Output = Result<Response<Body>, Problem>> + Send + use<> {
        self.counts.ask();
        let owner = self.owners.get(owner).cloned().ok_or(Problem::Misrouted);
        let permit = self.limit.take().ok_or(Problem::Busy("look-ups in other processes"));
        let timeout = match patience {
            Patience::Read(wait) => wait + READ_SPARE,
            Patience::Write(wait) => wait + self.write_max + WRITE_SPARE,
        };
        let (deadline, wait_max, waits) = (Instant::now() + timeout, self.wait_max, self.waits.clone());
        let counts = self.counts.clone();
        let passed_on = owner.map(|owner| {
            let mut request = to_owner(method, uri, headers, body, &owner);
            request.headers_mut().extend(self.mark(waits.shown_tick()).map(|mark| (SHOWN, mark)));
            (owner, request)
        });
        async move {
            let answer = async {
                let ((owner, request), permit) = (passed_on?, permit?);
                let answer = tokio::time::timeout_at(deadline.into(), owner.ask(&request)).await;
                drop(permit);
                let answer = answer.unwrap_or(Err(Problem::OwnerAway(OwnerFailure::Late)))?;
                if let Some(shown) = shown(answer.headers()) {
                    let left = deadline.saturating_duration_since(Instant::now());
                    waits.wait_for_tick(shown, wait_max.min(left)).await?;
                }
                Ok(of_owner(answer))
            };
            answer.await.inspect_err(|problem| counts.fail(problem))
        }
    }
}

/// A request as its owner gets it.
fn to_owner(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
    owner: &OwnerProcess,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    // The owner answers GET for HEAD: the body is left out where the answer is sent to the client.
    *request.method_mut() = if *method == Method::HEAD { Method::GET } else { method.clone() };
    *request.uri_mut() = uri.path_and_query().map_or_else(|| uri.clone(), |target| target.clone().into());
    *request.headers_mut() = end_to_end(headers);
    request.headers_mut().extend(owner.host.as_ref().map(|host| (HOST, host.clone())));
    request
}

fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let passed_on = headers.iter().filter(|(name, _)| !OF_ONE_HOP.contains(name));
    passed_on.map(|(name, value)| (name.clone(), value.clone())).collect()
}

impl OwnerProcess {
    /// Asks on an idle connection, or on a new one.
    async fn ask(&self, request: &Request<Full<Bytes>>) -> Result<Response<Bytes>, Problem> {
        while let Some(mut sender) = self.take_idle() {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request.clone()).await {
                Ok(response) => return self.read(sender, response).await,
                // The owner closed the connection before the request was sent, or the request changes nothing: ask again.
                Err(error) if error.message().is_some() || request.method() == Method::GET => {}
                Err(_) => return Err(BROKEN),
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(request.clone()).await.map_err(|_| BROKEN)?;
        self.read(sender, response).await
    }

    fn take_idle(&self) -> Option<Sender> {
        self.idle.lock().expect("no holder of this lock can panic").pop()
    }

    async fn connect(&self) -> Result<Sender, Problem> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.address)).await;
        let stream = connecting.ok().and_then(Result::ok).ok_or(Problem::OwnerAway(OwnerFailure::Unreachable))?;
        // A connection that refuses the option is slower, and works.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return begin(stream).await };
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let shaken = tokio::time::timeout(CONNECT_TIMEOUT, tls.connect(host, stream)).await;
        let shaken = shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match shaken {
            Ok(stream) => {
                self.is_refused.store(false, Ordering::Relaxed);
                begin(stream).await
            }
            Err(error) => {
                if !self.is_refused.swap(true, Ordering::Relaxed) {
                    tracing::error!(process = self.address, %error, "no TLS with another process of the cluster");
                }
                Err(Problem::OwnerAway(OwnerFailure::Untrusted))
            }
        }
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

/// Begins HTTP on a connection.
async fn begin<S>(stream: S) -> Result<Sender, Problem>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| BROKEN)?;
    // The task ends with the sender. The request that waits for an answer gets the connection's error.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// The connection to the owner broke, or its answer cannot be read.
pub(crate) const BROKEN: Problem = Problem::OwnerAway(OwnerFailure::Broken);

/// The owner's answer as the client gets it.
fn of_owner(response: Response<Bytes>) -> Response<Body> {
    let (parts, bytes) = response.into_parts();
    let mut answer = Response::new(Body::Whole(bytes));
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = end_to_end(&parts.headers);
    answer
}

#[cfg(test)]
mod tests {
    use dataflow::feed::Position;

    use super::*;
    use crate::parameters::{ParameterBounds, ParameterSet};
    use crate::token;

    #[test]
    fn a_read_waits_as_it_says_and_a_write_for_an_earlier_one_only_if_it_names_one() {
        let bounds = ParameterBounds { list_size: 10, shadow_list_size: 10, wait_ms_max: 5000 };
        let patience = |method: &Method, query: Option<&str>| {
            Patience::of(method, &Parameters::read(query, ParameterSet::Wait, bounds).unwrap())
        };
        let token = token::encode(vec![Position::new("views", 0, 5)]);
        let waiting = format!("after={token}&wait_ms=7");
        let (own, most) = (Duration::from_millis(7), Duration::from_secs(5));
        for read in [Method::GET, Method::HEAD] {
            assert_eq!(patience(&read, Some(&waiting)), Patience::Read(own));
            assert_eq!(patience(&read, None), Patience::Read(most));
        }
        assert_eq!(patience(&Method::DELETE, Some(&waiting)), Patience::Write(own));
        assert_eq!(patience(&Method::DELETE, None), Patience::Write(Duration::ZERO));
    }
}
