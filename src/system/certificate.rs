//! The certificate of the server, read again whenever its files have changed.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use query_server::{Pem, Tls, TlsError};

use super::file_watch::{FileStamp, FileWatch};
use crate::config::{Config, Errors, Problem};

/// Largest file that is read: a wrong path must not fill the memory.
const BYTES_MAX: u64 = 1 << 20;

/// The certificate of a running server.
pub(super) struct Certificate {
    tls: Option<Arc<Tls>>,
    _watch: Option<FileWatch>,
}

/// The files of a certificate, of its key, and of the authorities of other processes.
struct Named {
    certificate: PathBuf,
    key: PathBuf,
    authorities: Option<PathBuf>,
}

/// What the files hold.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: Option<Vec<u8>>,
}

impl Contents {
    fn pem(&self) -> Pem<'_> {
        Pem { certificate: &self.certificate, key: &self.key, authorities: self.authorities.as_deref() }
    }
}

impl Named {
    /// The files that the settings name; `None` for a server without TLS.
    fn of(config: &Config) -> Option<Named> {
        let server = &config.server;
        let (certificate, key) = (server.tls_cert.clone()?, server.tls_key.clone()?);
        Some(Named { certificate, key, authorities: server.tls_ca.clone() })
    }

    fn read(&self) -> Result<Contents, String> {
        let authorities = self.authorities.as_deref().map(bytes).transpose()?;
        Ok(Contents { certificate: bytes(&self.certificate)?, key: bytes(&self.key)?, authorities })
    }

    /// The files in use by `make`, or why they cannot be used.
    fn used<T>(&self, make: impl FnOnce(Pem<'_>) -> Result<T, TlsError>) -> Result<T, String> {
        let named = |error: TlsError| {
            let path = match (&error, &self.authorities) {
                (TlsError::Key, _) => &self.key,
                (TlsError::Authorities, Some(authorities)) => authorities,
                _ => &self.certificate,
            };
            format!("{}: {error}", path.display())
        };
        make(self.read()?.pem()).map_err(named)
    }

    fn load(&self) -> Result<Tls, Errors> {
        self.used(Tls::new).map_err(|reason| Errors(vec![Problem::Certificate(reason)]))
    }

    fn stamps(&self) -> [Option<FileStamp>; 3] {
        let authorities = self.authorities.as_deref().and_then(FileStamp::of);
        [FileStamp::of(&self.certificate), FileStamp::of(&self.key), authorities]
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |reason: String| format!("{}: cannot be read: {reason}", path.display());
    let mut bytes = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
    opened.map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(unreadable(format!("it is larger than {BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// The certificate that the settings name; `None` for a server without TLS.
///
/// # Errors
/// It cannot be used.
pub(crate) fn load(config: &Config) -> Result<Option<Tls>, Errors> {
    Named::of(config).map(|files| files.load()).transpose()
}

impl Certificate {
    /// Reads the certificate, and follows its files.
    ///
    /// # Errors
    /// It cannot be used, or the system denies a thread.
    pub(super) fn start(config: &Config) -> anyhow::Result<Certificate> {
        let Some(files) = Named::of(config) else { return Ok(Certificate { tls: None, _watch: None }) };
        // Taken before the files are read, so that a change meanwhile is noticed.
        let seen = files.stamps();
        let tls = Arc::new(files.load()?);
        let mut state = Following { seen, files, tls: tls.clone(), trouble: None };
        let watch = FileWatch::start("certificate", move || state.look())?;
        Ok(Certificate { tls: Some(tls), _watch: Some(watch) })
    }

    /// The certificate, where there is one.
    pub(super) fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.clone()
    }
}

/// The state of the looks.
struct Following {
    files: Named,
    tls: Arc<Tls>,
    /// The files that were read last.
    seen: [Option<FileStamp>; 3],
    /// Why they could not be used at the last look.
    trouble: Option<String>,
}

impl Following {
    /// Reads the files again if one of them has changed. While they do not fit each other, the previous certificate stays in use.
    fn look(&mut self) {
        let stamps = self.files.stamps();
        if stamps == self.seen && self.trouble.is_none() {
            return;
        }
        match self.files.used(|pem| self.tls.replace(pem)) {
            Ok(()) => {
                tracing::info!(certificate = %self.files.certificate.display(), "another certificate is in use");
                self.seen = stamps;
                self.trouble = None;
            }
            Err(error) => {
                if self.trouble.as_ref() != Some(&error) {
                    tracing::error!(%error, "the new certificate cannot be used: the previous one stays in use");
                }
                self.trouble = Some(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use harness::certificates::{Authority, Certified};
    use harness::replace_file;

    use super::*;

    fn named(dir: &Path) -> Named {
        Named { certificate: dir.join("tls.crt"), key: dir.join("tls.key"), authorities: None }
    }

    fn write(files: &Named, Certified { pem, key }: &Certified) {
        replace_file(&files.certificate, pem);
        replace_file(&files.key, key);
    }

    #[test]
    fn changed_files_are_used_and_files_that_do_not_fit_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let files = named(dir.path());
        let authority = Authority::make();
        let [one, two] = [authority.sign("localhost"), authority.sign("localhost")];
        write(&files, &one);
        let tls = Arc::new(files.load().unwrap());
        let mut following = Following { seen: files.stamps(), files, tls, trouble: None };
        following.look();
        let seen = following.seen;
        replace_file(&following.files.certificate, &two.pem);
        following.look();
        assert!(following.trouble.as_ref().is_some_and(|trouble| trouble.contains("cannot be used")));
        assert_eq!(following.seen, seen, "they are read again at the next look");
        replace_file(&following.files.key, &two.key);
        following.look();
        assert!(following.trouble.is_none() && following.seen != seen);
        std::fs::remove_file(&following.files.key).unwrap();
        following.look();
        assert!(following.trouble.as_ref().is_some_and(|trouble| trouble.contains("tls.key: cannot be read")));
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let files = named(dir.path());
        let refused = |files: &Named| files.load().err().unwrap().to_string();
        assert!(refused(&files).contains("tls.crt: cannot be read"), "{}", refused(&files));
        write(&files, &Certified { pem: "nothing".into(), key: "nothing".into() });
        assert!(refused(&files).contains("tls.crt: the certificate is not in PEM"), "{}", refused(&files));
        write(&files, &Certified { key: "nothing".into(), ..Certified::of_itself("localhost") });
        assert!(refused(&files).contains("tls.key: the private key is not in PEM"), "{}", refused(&files));
        write(&files, &Certified::of_itself("localhost"));
        let authorities = dir.path().join("ca.crt");
        std::fs::write(&authorities, "nothing").unwrap();
        let with_authorities = Named { authorities: Some(authorities), ..named(dir.path()) };
        assert!(
            refused(&with_authorities).contains("ca.crt: the file of authorities"),
            "{}",
            refused(&with_authorities)
        );
        let too_long = File::create(&files.certificate).unwrap();
        too_long.set_len(BYTES_MAX + 1).unwrap();
        assert!(refused(&files).contains("larger than"), "{}", refused(&files));
    }
}
