//! TLS for connections to PostgreSQL, as libpq's `sslmode` and `sslrootcert` define it.
//!
//! ```text
//! connection string ─▶ options::split ─▶ the rest, for the driver
//!                            └▶ TlsOptions ─▶ attempts ─▶ Connector ─▶ question, answer, handshake ─▶ PgStream
//! ```
//! The driver knows three of the six modes and no root certificate, so the connector takes the whole negotiation from it: the
//! driver is told ([`prepare`]) that TLS begins at once. A caller makes one attempt after the other, and goes on to the next
//! one only if [`may_continue`] says so. From `require` on there is one attempt: nothing is ever sent without TLS.

mod connector;
mod error;
mod mode;
mod options;
mod root_certificates;
mod stream;
mod verifier;

pub use connector::{Connector, may_continue, prepare};
pub use error::{NegotiationFailure, OptionsError, RootsError};
pub use mode::{Demand, SslMode};
pub use options::{TlsOptions, split};
pub use stream::PgStream;
