//! The one signal that ends the server.

use std::sync::Arc;

use tokio::sync::watch;

/// Ends the server it was given to. Cheap to clone; any clone, on any thread, begins the end for all.
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
        let mut begun = self.0.subscribe();
        begun.wait_for(|begun| *begun).await.expect("the sender is held by self");
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown::new()
    }
}
