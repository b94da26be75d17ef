//! Certificates for tests, made when a test needs them: no key is kept in the repository.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How many authorities were made.
static MADE: AtomicU64 = AtomicU64::new(0);

/// No answer takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// An authority that signs certificates.
pub struct Authority {
    /// Its own certificate in PEM, for those who trust it.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its private key.
#[derive(Clone)]
pub struct Certified {
    /// The certificate in PEM.
    pub pem: String,
    /// Its private key in PEM.
    pub key: String,
}

impl Certified {
    /// A certificate for this name that is its own authority, as `openssl req -x509` makes it.
    ///
    /// # Panics
    /// If the name cannot stand in a certificate.
    #[must_use]
    pub fn of_itself(name: &str) -> Certified {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name or an address");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("keys can be made");
        let pem = params.self_signed(&key).expect("it signs itself").pem();
        Certified { pem, key: key.serialize_pem() }
    }
}

impl Authority {
    /// An authority of its own.
    ///
    /// # Panics
    /// If the system gives no random numbers.
    #[must_use]
    pub fn make() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two authorities of one name would be taken for one with a wrong signature.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(DnType::CommonName, format!("authority {number} of a test"));
        let key = KeyPair::generate().expect("keys can be made");
        let pem = params.self_signed(&key).expect("an authority signs itself").pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a server with this name, or at this address.
    ///
    /// # Panics
    /// If the name cannot stand in a certificate.
    #[must_use]
    pub fn sign(&self, name: &str) -> Certified {
        self.sign_as(CertificateParams::new([name.to_owned()]).expect("a name or an address"))
    }

    /// The same; it has expired long ago.
    ///
    /// # Panics
    /// If the name cannot stand in a certificate.
    #[must_use]
    pub fn sign_expired(&self, name: &str) -> Certified {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name or an address");
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign_as(params)
    }

    fn sign_as(&self, params: CertificateParams) -> Certified {
        let key = KeyPair::generate().expect("keys can be made");
        let signed = params.signed_by(&key, &self.issuer).expect("the authority may sign");
        Certified { pem: signed.pem(), key: key.serialize_pem() }
    }

    /// Connects a client that trusts this authority alone, and expects a server of this name. The handshake begins with the
    /// first byte that is written or read.
    ///
    /// # Errors
    /// The address cannot be reached.
    ///
    /// # Panics
    /// If the name is neither a name nor an address.
    pub fn connect(&self, address: SocketAddr, name: &str) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("it is in PEM");
        roots.add(own).expect("an authority can be trusted");
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("the provider has these versions");
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).expect("a name or an address");
        let connection = ClientConnection::new(Arc::new(config), name).expect("the configuration is whole");
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(StreamOwned::new(connection, socket))
    }
}
