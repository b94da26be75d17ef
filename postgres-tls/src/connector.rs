//! Agrees with a server on TLS.
//!
//! ```text
//! client ─▶ SSLRequest ─▶ server        (not with sslnegotiation=direct)
//! client ◀─ S or N     ◀─ server        N: without TLS, if the mode allows it
//! client ◀─▶ handshake of TLS ◀─▶ server
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use postgres::Config;
use postgres::config::{SslMode as DriverMode, SslNegotiation};
use postgres::error::SqlState;
use postgres::tls::{MakeTlsConnect, TlsConnect};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use crate::error::{NegotiationFailure, RootsError};
use crate::mode::{Demand, SslMode};
use crate::options::TlsOptions;
use crate::root_certificates;
use crate::stream::PgStream;
use crate::verifier::Verifier;

/// The question whether the server speaks TLS: its length, and a number that is no version of the protocol.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The protocol within TLS, which a server demands if nothing was asked first.
const PROTOCOL: &[u8] = b"postgresql";

/// One attempt to connect.
#[derive(Clone)]
pub struct Connector {
    mode: SslMode,
    demand: Demand,
    is_direct: bool,
    /// None for an attempt without TLS.
    config: Option<Arc<ClientConfig>>,
    is_encrypted: Arc<AtomicBool>,
}

/// Tells the driver to leave the negotiation to the connector.
pub fn prepare(config: &mut Config) {
    config.ssl_mode(DriverMode::Require).ssl_negotiation(SslNegotiation::Direct);
}

/// Whether the next attempt of the mode may succeed where one failed with this error: the server refused the connection as
/// it was, with TLS or without, or the two did not agree on TLS.
#[must_use]
pub fn may_continue(error: &postgres::Error) -> bool {
    let mut cause = error.source();
    while let Some(found) = cause {
        if let Some(NegotiationFailure::Handshake { error, .. }) = found.downcast_ref() {
            // Errors of TLS itself; an end of the connection in the middle may be one, too.
            return error.get_ref().is_none_or(|inner| inner.is::<rustls::Error>());
        }
        cause = found.source();
    }
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

impl TlsOptions {
    /// The connector for one attempt. It reads the files of root certificates again, because they may have been replaced.
    ///
    /// # Errors
    /// When the root certificates cannot be used.
    pub fn connector(&self, demand: Demand) -> Result<Connector, RootsError> {
        let config = match demand {
            Demand::Plain => None,
            Demand::TlsIfSpoken | Demand::Tls => Some(self.config()?),
        };
        let (mode, is_direct) = (self.mode, self.is_direct);
        Ok(Connector { mode, demand, is_direct, config, is_encrypted: Arc::default() })
    }

    fn config(&self) -> Result<Arc<ClientConfig>, RootsError> {
        let provider = aws_lc_rs::default_provider();
        let verifier = Verifier {
            roots: root_certificates::load(&self.roots, self.mode)?,
            checks_name: self.mode == SslMode::VerifyFull,
            algorithms: provider.signature_verification_algorithms,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| RootsError::Library(error.to_string()))?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Arc::new(config))
    }
}

impl Connector {
    /// Whether the connection that was made has TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted.load(Ordering::Relaxed)
    }

    /// Agrees with the server at the other end of a fresh connection. `host` is its name in the connection string.
    ///
    /// # Errors
    /// When the mode's demand is not met.
    pub async fn negotiate<S>(&self, host: &str, mut stream: S) -> Result<PgStream<S>, NegotiationFailure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Some(config) = &self.config else { return Ok(PgStream::Plain(stream)) };
        if !self.is_direct && !self.is_spoken(&mut stream).await? {
            return match self.demand {
                Demand::Tls => Err(NegotiationFailure::NotSpoken(self.mode)),
                Demand::Plain | Demand::TlsIfSpoken => Ok(PgStream::Plain(stream)),
            };
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| NegotiationFailure::Name(self.mode))?;
        let shaken = TlsConnector::from(config.clone()).connect(name, stream).await;
        let stream = shaken.map_err(|error| NegotiationFailure::Handshake { mode: self.mode, error })?;
        self.is_encrypted.store(true, Ordering::Relaxed);
        Ok(PgStream::Tls(Box::new(stream)))
    }

    async fn is_spoken<S>(&self, stream: &mut S) -> Result<bool, NegotiationFailure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        stream.write_all(&SSL_REQUEST).await.map_err(NegotiationFailure::Lost)?;
        stream.flush().await.map_err(NegotiationFailure::Lost)?;
        // Only one byte is read. Bytes after it may come from an attacker in between, and must not count as bytes within TLS.
        match stream.read_u8().await.map_err(NegotiationFailure::Lost)? {
            b'S' => Ok(true),
            b'N' => Ok(false),
            _ => Err(NegotiationFailure::Answer(self.mode)),
        }
    }
}

impl<S> MakeTlsConnect<S> for Connector
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = PgStream<S>;
    type TlsConnect = HostConnector;
    type Error = Infallible;

    fn make_tls_connect(&mut self, host: &str) -> Result<HostConnector, Infallible> {
        Ok(HostConnector { connector: self.clone(), host: host.to_owned() })
    }
}

/// A connector for one host.
pub struct HostConnector {
    connector: Connector,
    host: String,
}

impl<S> TlsConnect<S> for HostConnector
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = PgStream<S>;
    type Error = NegotiationFailure;
    type Future = Pin<Box<dyn Future<Output = Result<PgStream<S>, NegotiationFailure>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move { self.connector.negotiate(&self.host, stream).await })
    }
}
