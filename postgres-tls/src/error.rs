//! What can be wrong with the options, the root certificates, and the negotiation with a server.

use std::io;
use std::path::PathBuf;

use crate::mode::SslMode;

/// A connection string asks for something that does not exist or makes no sense. Its text is not repeated: it may hold a
/// password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// No mode has this name.
    #[error("`sslmode` is none of disable, allow, prefer, require, verify-ca and verify-full")]
    Mode,
    /// A mode that does not verify the host, with roots that everybody can get a certificate from.
    #[error("`sslrootcert=system` needs `sslmode=verify-full`, and the mode is {0}")]
    WeakMode(SslMode),
    /// A mode that may fall back, where nothing can be asked first.
    #[error("`sslnegotiation=direct` needs `sslmode=require` or a stronger one, and the mode is {0}")]
    WeakDirect(SslMode),
    /// No negotiation has this name.
    #[error("`sslnegotiation` is neither postgres nor direct")]
    Negotiation,
}

/// The root certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// None are given, and the mode needs one.
    #[error(
        "sslmode={mode} needs a root certificate, and {} is not there: name the file with sslrootcert, or use \
         sslrootcert=system with sslmode=verify-full",
        .path.display()
    )]
    None {
        /// The mode.
        mode: SslMode,
        /// The file that libpq reads if none is named.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("sslrootcert: {}: cannot be read: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file holds no certificate.
    #[error("sslrootcert: {}: it holds no certificate in PEM, or a damaged one", .0.display())]
    NoCertificate(PathBuf),
    /// The system has no root certificates.
    #[error("sslrootcert=system: this machine has no root certificates (Debian: the package ca-certificates)")]
    NoSystemRoots,
    /// The TLS library refuses the configuration.
    #[error("TLS cannot be used: {0}")]
    Library(String),
}

/// Why a connection was not made as its mode asks for it.
#[derive(Debug, thiserror::Error)]
pub enum NegotiationFailure {
    /// The server has no TLS.
    #[error("sslmode={0}: the server does not speak TLS (`ssl = off` in its settings)")]
    NotSpoken(SslMode),
    /// The handshake failed, for example because the certificate is not trusted.
    #[error("sslmode={mode}: {error}")]
    Handshake {
        /// The mode.
        mode: SslMode,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The name of the host can stand in no certificate.
    #[error("sslmode={0}: the host's name can stand in no certificate")]
    Name(SslMode),
    /// Bytes could not be read or written.
    #[error("{0}")]
    Lost(#[source] io::Error),
    /// Neither yes nor no.
    #[error("sslmode={0}: the server does not answer whether it speaks TLS: it is no PostgreSQL, or it is overloaded")]
    Answer(SslMode),
}
