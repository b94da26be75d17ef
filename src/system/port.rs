//! The address of the HTTP server. It is taken first, and answers while a process of a cluster waits for the others.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context as _;
use query_server::{Starting, Tls};

use crate::config::Config;

/// The address before the server serves it.
pub(super) struct Port {
    listener: TcpListener,
    /// The answers of the meantime; none in a process on its own, which starts at once.
    starting: Option<Starting>,
}

impl Port {
    /// Takes the address of the settings.
    ///
    /// # Errors
    /// When the address is in use, or the system denies a thread.
    pub(super) fn take(config: &Config, tls: Option<Arc<Tls>>) -> anyhow::Result<Port> {
        let listener = listen(config.server.listen)?;
        let begin = || Starting::begin(&listener, tls).context("cannot answer while other processes are waited for");
        let starting = config.cluster.is_shared().then(begin).transpose()?;
        Ok(Port { listener, starting })
    }

    /// Ends the answers of the meantime. Connections from now on wait for the server.
    pub(super) fn hand_over(self) -> TcpListener {
        drop(self.starting);
        self.listener
    }
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
}
