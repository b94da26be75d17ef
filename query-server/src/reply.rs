//! How a hot endpoint answers: at once, or in a future.

use hyper::Response;

use crate::body::Body;
use crate::event_writer::BoxFuture;
use crate::problem::Problem;

/// The answer, or a future of it.
pub(crate) enum Reply {
    Now(Response<Body>),
    Later(BoxFuture<'static, Result<Response<Body>, Problem>>),
}
