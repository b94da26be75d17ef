//! Whether the certificate of another process of the cluster is accepted.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Accepts the process's own certificate, and those of the authorities.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    /// Whoever has the private key of this certificate is one of us, whatever the certificate says.
    own: CertificateDer<'static>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PeerVerifier {
    /// `None` if an authority cannot be used.
    pub(super) fn new(
        provider: &Arc<CryptoProvider>,
        own: CertificateDer<'static>,
        authorities: Vec<CertificateDer<'static>>,
    ) -> Option<PeerVerifier> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).ok()?;
        }
        let by_authority =
            |roots| WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let authorities = if roots.is_empty() { None } else { Some(by_authority(roots).ok()?) };
        Some(PeerVerifier { own, authorities, algorithms: provider.signature_verification_algorithms })
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.authorities {
            _ if *certificate == self.own => Ok(ServerCertVerified::assertion()),
            Some(authorities) => authorities.verify_server_cert(certificate, intermediates, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
