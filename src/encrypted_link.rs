//! TLS 1.3 on a link between two processes of a cluster.
//!
//! Each called end makes a key for this one link and sends its public half, which is not verified here. The handshake of the
//! processes (`src/system/cluster/handshake.rs`) does that: their seals under the shared key cover a value that only the two
//! ends of one TLS session have (RFC 5705). So a cluster needs no certificates.
//!
//! The engine reads and writes a link from two threads. Both work on one session, and neither holds it while it waits for the
//! network.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, anyhow};
use dataflow::cluster::LinkStream;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{self, sign::any_eddsa_type};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, Error, ServerConfig, ServerConnection,
    SignatureScheme,
};

/// What the value that identifies a session is for.
const SESSION_LABEL: &[u8] = b"EXPORTER-vitrine-cluster";

/// What stands before the 32 bytes of a private key of Ed25519 in PKCS #8 (RFC 8410).
const PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Bytes that are read from the network at a time.
const INCOMING: usize = 64 << 10;

/// A link after the handshake of TLS.
pub struct Encrypted {
    /// Carries its bytes.
    pub stream: EncryptedStream,
    /// The same at both ends of this session, and in no other one.
    pub session: [u8; 32],
}

/// Begins TLS with the process that was called.
///
/// # Errors
/// The other end does not speak TLS, or disconnects.
pub fn call(socket: TcpStream) -> anyhow::Result<Encrypted> {
    let provider = aws_lc_rs::default_provider();
    let verifier = UnverifiedKey(provider.signature_verification_algorithms);
    let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[&TLS13])?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let name = ServerName::try_from("peer").context("a name of one word")?;
    shake_hands(socket, ClientConnection::new(Arc::new(builder.with_no_client_auth()), name)?.into())
}

/// Begins TLS with the process that calls.
///
/// # Errors
/// The other end does not speak TLS, or disconnects; or the system gives no random numbers.
pub fn answer(socket: TcpStream) -> anyhow::Result<Encrypted> {
    let provider = aws_lc_rs::default_provider();
    let key = AlwaysResolvesServerRawPublicKeys::new(Arc::new(own_key()?));
    let builder = ServerConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[&TLS13])?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(key));
    // A link is made once.
    config.send_tls13_tickets = 0;
    shake_hands(socket, ServerConnection::new(Arc::new(config))?.into())
}

/// A new random key.
fn own_key() -> anyhow::Result<CertifiedKey> {
    let mut der = PKCS8.to_vec();
    der.resize(PKCS8.len() + 32, 0);
    getrandom::fill(&mut der[PKCS8.len()..]).map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
    let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(der))?;
    let public = key.public_key().context("a key of Ed25519 has a public half")?.into_owned();
    Ok(CertifiedKey::new(vec![CertificateDer::from(public.as_ref().to_vec())], key))
}

fn shake_hands(mut socket: TcpStream, mut connection: Connection) -> anyhow::Result<Encrypted> {
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).context("the two ends do not agree on TLS")?;
    }
    let session = connection.export_keying_material([0; 32], SESSION_LABEL, None)?;
    let shared = Arc::new(Session { connection: Mutex::new(connection), sending: Mutex::default() });
    Ok(Encrypted {
        stream: EncryptedStream { socket, shared, incoming: vec![0; INCOMING].into(), filled: 0, taken: 0 },
        session,
    })
}

/// The state of TLS, which all handles of a link share.
struct Session {
    connection: Mutex<Connection>,
    /// Held from the making of records until they are sent, so that they are sent in their order. Holds their bytes.
    sending: Mutex<Vec<u8>>,
}

impl Session {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends all records that there are after `make`.
    fn send<T>(&self, mut socket: &TcpStream, make: impl FnOnce(&mut Connection) -> io::Result<T>) -> io::Result<T> {
        let mut records = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        records.clear();
        let made = {
            let mut connection = self.connection();
            let made = make(&mut connection)?;
            while connection.wants_write() {
                connection.write_tls(&mut *records)?;
            }
            made
        };
        socket.write_all(&records)?;
        Ok(made)
    }
}

/// One handle of an encrypted link. Only one handle may read.
pub struct EncryptedStream {
    socket: TcpStream,
    shared: Arc<Session>,
    /// Room for bytes from the network, how many there are, and how many of them TLS has taken.
    incoming: Box<[u8]>,
    filled: usize,
    taken: usize,
}

impl Read for EncryptedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut connection = self.shared.connection();
            match connection.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            if self.taken < self.filled {
                self.taken += connection.read_tls(&mut &self.incoming[self.taken..self.filled])?;
                connection.process_new_packets().map_err(io::Error::other)?;
                if connection.wants_write() {
                    drop(connection);
                    self.shared.send(&self.socket, |_| Ok(()))?;
                }
                continue;
            }
            drop(connection);
            (self.filled, self.taken) = (0, 0);
            self.filled = self.socket.read(&mut self.incoming)?;
            if self.filled == 0 {
                // From now on the reader tells an end that the other side has announced from a broken connection.
                self.shared.connection().read_tls(&mut io::empty())?;
            }
        }
    }
}

impl Write for EncryptedStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.shared.send(&self.socket, |connection| connection.writer().write(bytes))
    }

    /// Nothing to do: what is written is sent at once.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LinkStream for EncryptedStream {
    fn try_clone(&self) -> io::Result<Box<dyn LinkStream>> {
        let (socket, shared) = (self.socket.try_clone()?, self.shared.clone());
        let incoming = self.incoming.clone();
        Ok(Box::new(EncryptedStream { socket, shared, incoming, filled: self.filled, taken: self.taken }))
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            self.shared.send(&self.socket, |connection| {
                connection.send_close_notify();
                Ok(())
            })?;
        }
        self.socket.shutdown(how)
    }
}

/// Accepts every public key: see the top of this file.
#[derive(Debug)]
struct UnverifiedKey(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for UnverifiedKey {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("links use TLS 1.3".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(message, &SubjectPublicKeyInfoDer::from(key.as_ref()), signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// The two ends of a link.
    fn link() -> [Encrypted; 2] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        let answering = std::thread::spawn(move || answer(far).unwrap());
        [call(near).unwrap(), answering.join().unwrap()]
    }

    #[test]
    fn both_ends_have_the_value_of_their_session_and_no_other() {
        let [[one, other], [third, _]] = [link(), link()].map(|ends| ends.map(|end| end.session));
        assert!(one == other && one != third && one != [0; 32]);
    }

    #[test]
    fn both_directions_carry_any_bytes_at_once_from_threads_of_their_own() {
        let ends = link().map(|end| end.stream);
        // More than all buffers hold, in pieces of all sizes: each end must read while it writes.
        let piece = |number: usize| vec![number as u8; number * number % 70_001];
        let threads = ends.map(|mut reader| {
            let mut writer = LinkStream::try_clone(&reader).unwrap();
            let writing = std::thread::spawn(move || {
                (0..400).for_each(|number| writer.write_all(&piece(number)).unwrap());
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let reading = std::thread::spawn(move || {
                let mut all = Vec::new();
                reader.read_to_end(&mut all).unwrap();
                all
            });
            (writing, reading)
        });
        let expected: Vec<u8> = (0..400).flat_map(piece).collect();
        for (writing, reading) in threads {
            writing.join().unwrap();
            assert!(reading.join().unwrap() == expected);
        }
    }

    #[test]
    fn a_link_that_breaks_is_told_from_one_that_ends() {
        let [mut one, other] = link().map(|end| end.stream);
        other.shutdown(Shutdown::Write).unwrap();
        assert_eq!(one.read(&mut [0; 8]).unwrap(), 0);
        let [mut one, other] = link().map(|end| end.stream);
        drop(other);
        assert_eq!(one.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn changed_bytes_are_noticed() {
        let [mut one, other] = link().map(|end| end.stream);
        (&other.socket).write_all(&[23, 3, 3, 0, 40]).unwrap();
        (&other.socket).write_all(&[7; 40]).unwrap();
        assert!(one.read(&mut [0; 8]).is_err());
    }
}
