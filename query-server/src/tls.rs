//! TLS of the HTTP server: the certificate in use, which can be replaced while connections come.
//!
//! The processes of a cluster pass requests on to each other by TLS, too. A process accepts another one that has its own
//! certificate, or one that leads to the authorities that are configured and is for the host in the hosts file.

mod peer_verifier;

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use peer_verifier::PeerVerifier;

/// The protocol that is agreed on within TLS.
const HTTP_1_1: &[u8] = b"http/1.1";

/// What the files of the settings hold, in PEM.
#[derive(Clone, Copy, Debug)]
pub struct Pem<'a> {
    /// The certificate, with those that lead to its root behind it.
    pub certificate: &'a [u8],
    /// Its private key.
    pub key: &'a [u8],
    /// The authorities that the certificates of other processes lead to; none if all have the same certificate.
    pub authorities: Option<&'a [u8]>,
}

/// A certificate or its key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// There is no certificate in PEM.
    #[error("the certificate is not in PEM, or is damaged")]
    Certificate,
    /// There is no key in PEM.
    #[error("the private key is not in PEM, or is damaged")]
    Key,
    /// The two do not fit, or are of a kind that is not supported.
    #[error("the certificate and its key cannot be used: {0}")]
    Pair(String),
    /// There is no authority in PEM.
    #[error("the file of authorities holds no certificate in PEM, or a damaged one")]
    Authorities,
}

/// The certificate of the server.
pub struct Tls(ArcSwap<Configs>);

/// What follows from one certificate.
struct Configs {
    server: Arc<ServerConfig>,
    /// For requests to other processes.
    client: Arc<ClientConfig>,
}

impl Tls {
    /// A server with this certificate.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn new(pem: Pem<'_>) -> Result<Tls, TlsError> {
        Ok(Tls(ArcSwap::from_pointee(Configs::of(pem)?)))
    }

    /// Uses another certificate for connections from now on.
    ///
    /// # Errors
    /// When it cannot be used. Then the one before stays.
    pub fn replace(&self, pem: Pem<'_>) -> Result<(), TlsError> {
        self.0.store(Arc::new(Configs::of(pem)?));
        Ok(())
    }

    /// Shakes hands with a client.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        let config = self.0.load().server.clone();
        TlsAcceptor::from(config).accept(stream).await
    }

    /// Shakes hands with another process of the cluster, which is to be found at this host.
    pub(crate) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<client::TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let config = self.0.load().client.clone();
        TlsConnector::from(config).connect(name, stream).await
    }
}

impl Configs {
    fn of(pem: Pem<'_>) -> Result<Configs, TlsError> {
        let chain = certificates(pem.certificate).ok_or(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(pem.key).map_err(|_| TlsError::Key)?;
        let pair = |error: rustls::Error| TlsError::Pair(error.to_string());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let authorities = pem.authorities.map(|bytes| certificates(bytes).ok_or(TlsError::Authorities)).transpose()?;
        let verifier = PeerVerifier::new(&provider, chain[0].clone(), authorities.unwrap_or_default())
            .ok_or(TlsError::Authorities)?;
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().map_err(pair)?.with_no_client_auth();
        let mut server = builder.with_single_cert(chain, key).map_err(pair)?;
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(pair)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let mut client = builder.with_no_client_auth();
        server.alpn_protocols = vec![HTTP_1_1.to_vec()];
        client.alpn_protocols = server.alpn_protocols.clone();
        Ok(Configs { server: Arc::new(server), client: Arc::new(client) })
    }
}

/// All certificates of a text; `None` if there are none, or one is damaged.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!found.is_empty()).then_some(found)
}
