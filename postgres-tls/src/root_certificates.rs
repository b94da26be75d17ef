//! The root certificates that a server's certificate must lead to.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::RootsError;
use crate::mode::SslMode;
use crate::options::NamedRoots;

/// Largest file that is read: a wrong path must not fill the memory.
const BYTES_MAX: u64 = 8 << 20;

/// The file that libpq reads in the home directory if none is named.
const DEFAULT: &str = ".postgresql/root.crt";

/// Trusted certificates.
#[derive(Debug)]
pub(crate) struct RootCertificates {
    pub(crate) store: RootCertStore,
    /// The same, as they are: a server may use a root certificate itself.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
}

/// The certificates to trust; `None` if all are.
///
/// # Errors
/// When a named file cannot be used, or the mode needs a certificate and there is none.
pub(crate) fn load(roots: &NamedRoots, mode: SslMode) -> Result<Option<RootCertificates>, RootsError> {
    match roots {
        NamedRoots::System => of_system().map(Some),
        NamedRoots::File(path) => of_file(path, read(path)).map(Some),
        NamedRoots::Default => {
            let path = std::env::var_os("HOME").map_or_else(|| PathBuf::from("~"), PathBuf::from).join(DEFAULT);
            match read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && mode.verifies() => {
                    Err(RootsError::None { mode, path })
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                bytes => of_file(&path, bytes).map(Some),
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn of_file(path: &Path, bytes: io::Result<Vec<u8>>) -> Result<RootCertificates, RootsError> {
    let bytes = bytes.map_err(|error| RootsError::Unreadable { path: path.to_owned(), error })?;
    let unusable = || RootsError::NoCertificate(path.to_owned());
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|_| unusable())?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).map_err(|_| unusable())?;
    }
    if store.is_empty() { Err(unusable()) } else { Ok(RootCertificates { store, certificates }) }
}

fn of_system() -> Result<RootCertificates, RootsError> {
    // Some machines have a certificate that cannot be read: the others are used.
    let certificates = rustls_native_certs::load_native_certs().certs;
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates.iter().cloned());
    if store.is_empty() { Err(RootsError::NoSystemRoots) } else { Ok(RootCertificates { store, certificates }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_named_must_hold_certificates() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.crt");
        let of = |path: &Path| load(&NamedRoots::File(path.to_owned()), SslMode::Require);
        assert!(matches!(of(&path), Err(RootsError::Unreadable { .. })), "also where libpq would verify nothing");
        for text in ["", "nothing", "-----BEGIN CERTIFICATE-----\nx\n"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(of(&path), Err(RootsError::NoCertificate(_))), "{text}");
        }
        let [one, two] = [(); 2].map(|()| harness::certificates::Authority::make().pem);
        std::fs::write(&path, one + &two).unwrap();
        assert_eq!(of(&path).unwrap().unwrap().certificates.len(), 2);
    }
}
