//! The signal that ends the server.

use std::sync::Arc;

use tokio::sync::watch;

/// The signal that ends a server. Every clone, on any thread, gives it for all.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Shutdown {
    /// A signal that has not been given yet.
    #[must_use]
    pub fn new() -> Self {
        Shutdown(Arc::new(watch::Sender::new(false)))
    }

    /// Gives the signal: stop accepting, answer what is in flight, end.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Resolves once the signal has been given.
    pub(crate) async fn begun(&self) {
        let mut signal = self.0.subscribe();
        signal.wait_for(|given| *given).await.expect("the sender is held by self");
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown::new()
    }
}
