//! What an answer carries besides its content: the id of its request, what is left of a key's rate, and who may read it.

use hyper::Response;
use hyper::header::{HeaderMap, HeaderValue};

use crate::access::Quota;
use crate::body::Body;
use crate::buffers;
use crate::cors::{Cors, CorsAnswer};
use crate::header_names::{RATE_LIMIT, RATE_LIMIT_POLICY, X_REQUEST_ID};
use crate::problem::Problem;

/// The most bytes of a request's id.
const ID_BYTES_MAX: usize = 128;

/// What an answer carries besides its content. An answer of a hot path mostly carries nothing.
#[derive(Debug, Default)]
pub(crate) struct Envelope {
    request_id: Option<HeaderValue>,
    cors: CorsAnswer,
    pub(crate) quota: Option<Quota>,
}

impl Envelope {
    /// The envelope of the answer to a request with these header fields; `has_id` says whether they name an id.
    ///
    /// # Errors
    /// When the request's id is too long, has other characters, or is there twice.
    pub(crate) fn of(headers: &HeaderMap, has_id: bool, cors: &Cors) -> Result<Envelope, Problem> {
        let cors = if matches!(cors, Cors::Off) { CorsAnswer::default() } else { cors.answer(headers) };
        let request_id = if has_id { Some(given_id(headers)?) } else { None };
        Ok(Envelope { request_id, cors, quota: None })
    }

    /// What it says of cross-origin requests.
    pub(crate) fn cors(&self) -> &CorsAnswer {
        &self.cors
    }

    /// The request's id; made now if the client gave none.
    pub(crate) fn request_id(&mut self) -> &HeaderValue {
        self.request_id.get_or_insert_with(made_id)
    }

    /// Writes it into an answer. An error names the request's id in every case, so that it can be asked about.
    pub(crate) fn write(mut self, response: &mut Response<Body>) {
        if response.status().is_client_error() || response.status().is_server_error() {
            self.request_id();
        }
        let headers = response.headers_mut();
        if let Some(id) = self.request_id {
            headers.insert(X_REQUEST_ID, id);
        }
        if let Some(Quota { policy, left, full_in_s }) = self.quota {
            headers.insert(RATE_LIMIT_POLICY, policy);
            let text = format!("\"key\";r={left};t={full_in_s}");
            headers.insert(RATE_LIMIT, HeaderValue::try_from(text).expect("digits and ASCII signs are a header value"));
        }
        if !self.cors.is_silent() {
            self.cors.write(headers);
        }
    }
}

fn given_id(headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let bad = |fault| Problem::BadHeader { name: "x-request-id", fault };
    let mut values = headers.get_all(X_REQUEST_ID).iter();
    let (id, None) = (values.next(), values.next()) else { return Err(bad("is given more than once")) };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@~".contains(byte);
    id.filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(is_plain))
        .cloned()
        .ok_or_else(|| bad("must have 1 to 128 letters, digits and signs of -_.:/+=@~"))
}

fn made_id() -> HeaderValue {
    let id = buffers::with(|buffers| buffers.answer_ids.next());
    HeaderValue::from_str(id.text()).expect("base64 is a header value")
}
