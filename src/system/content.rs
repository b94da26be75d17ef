//! Content vectors while the server runs: a thread that reads the products and puts new vectors into use.
//!
//! ```text
//! every `models.content.every_s` ─▶ products read, if any has changed ─▶ vectors ─▶ slot of the source "content"
//! ```

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dataflow::dictionary::KeptProducts;
use query_server::ContentStatus;
use recommend::{ContentSlot, ServedContent};

use super::background::BackgroundThread;
use crate::learned::content::{ContentMaker, MadeContent};

/// The status, written by the thread and read by the server.
type SharedStatus = Arc<Mutex<ContentStatus>>;

/// The running thread.
pub(super) struct ContentThread {
    slot: ContentSlot,
    status: SharedStatus,
    // Ends the thread when it is dropped.
    _thread: BackgroundThread,
}

/// The state of the thread.
struct Work {
    maker: ContentMaker,
    slot: ContentSlot,
    status: SharedStatus,
    /// The products of the vectors in the slot.
    kept: Option<KeptProducts>,
}

impl ContentThread {
    /// Starts the thread, which makes vectors at once and then every `every`.
    ///
    /// # Errors
    /// When the system denies a thread.
    pub(super) fn start(maker: ContentMaker, every: Duration) -> anyhow::Result<ContentThread> {
        let (slot, status) = (ContentSlot::default(), SharedStatus::default());
        let mut work = Work { maker, slot: slot.clone(), status: status.clone(), kept: None };
        let thread = BackgroundThread::start("content", every, move |go_on| work.turn(go_on))?;
        Ok(ContentThread { slot, status, _thread: thread })
    }

    /// The slot of the vectors in use.
    pub(super) fn slot(&self) -> &ContentSlot {
        &self.slot
    }

    /// The status, for `/v1/status` and metrics.
    pub(super) fn status(&self) -> Arc<dyn Fn() -> ContentStatus + Send + Sync> {
        let status = self.status.clone();
        Arc::new(move || status.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Work {
    fn turn(&mut self, go_on: &dyn Fn() -> bool) {
        let began = Instant::now();
        let made = self.maker.make(go_on);
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        match made {
            Ok(Some(made)) => {
                status.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                status.made += 1;
                self.kept = Some(put(made, &self.slot, &mut status));
            }
            Ok(None) => status.failure = None,
            Err(error) => {
                tracing::warn!(%error, "content vectors cannot be made: the previous ones stay in use; trying again");
                status.failed += 1;
                status.failure = Some(error.to_string());
            }
        }
    }
}

/// Puts vectors into use, and says what was left out.
fn put(made: MadeContent, slot: &ContentSlot, status: &mut ContentStatus) -> KeptProducts {
    let (vectors, bytes) = (made.vectors.with_vector() as u64, made.vectors.bytes() as u64);
    slot.put(ServedContent { version: status.made, vectors: made.vectors });
    let (refused, left_out) = (made.refused, made.left_out);
    if (refused, left_out) != (status.refused, status.left_out) {
        tracing::warn!(refused, left_out, "some products have no content vector; /v1/status says why");
    }
    let ContentStatus { made: times, took_ms, failed, .. } = *status;
    *status = ContentStatus {
        products: made.products,
        vectors,
        bytes,
        left_out,
        refused,
        refused_products: made.refused_products,
        missing_columns: made.missing_columns,
        made: times,
        took_ms,
        failed,
        failure: None,
    };
    tracing::info!(vectors = status.vectors, "content vectors are in use");
    made.kept
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;
    use models::content::{ContentSettings, VectorKind};
    use sources::descriptions::DescriptionHome;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn write(dir: &Path, header: &str, rows: &str) {
        harness::replace_file(dir.join("product_catalog.csv"), format!("{header}\n{rows}"));
    }

    #[test]
    fn vectors_follow_the_products_and_a_failure_keeps_those_before() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        write(dir.path(), "product_id,embedding", "a,\"[1,0]\"\nb,\"[1,1]\"\nc,\"[1,NaN]\"\n");
        let dictionary = Arc::new(Dictionary::new(Ids::new([7; 16])));
        let settings = ContentSettings { vectors: VectorKind::Embedding, ..ContentSettings::default() };
        let home = DescriptionHome::Files(dir.path().to_owned());
        let maker = ContentMaker::new(home, settings, dictionary.clone()).expect("files need no connection");
        let thread = ContentThread::start(maker, Duration::from_millis(5)).expect("a thread can be started");
        let (slot, status) = (thread.slot().clone(), thread.status());
        harness::wait_until(PATIENCE, "vectors are made", || status().made == 1);
        let found = status();
        assert_eq!((found.products, found.vectors, found.refused, found.failed), (3, 2, 1, 0));
        let product = found.refused_products.first().map(|row| (row.product.as_str(), row.reason.as_str()));
        assert_eq!(product, Some(("c", "number 2 of its embedding is not finite")));
        write(dir.path(), "product_id,embedding", "a,\"[1,0]\"\nb,\"[1,1]\"\nc,\"[2,1]\"\n");
        harness::wait_until(PATIENCE, "the change is seen", || status().made == 2);
        assert_eq!((status().vectors, status().refused), (3, 0));
        assert_eq!(slot.content().map(|served| served.version), Some(2));
        write(dir.path(), "sku", "1\n");
        harness::wait_until(PATIENCE, "the failure is reported", || status().failed > 0);
        assert!(status().failure.is_some_and(|reason| reason.contains("lacks the column product_id")));
        let served = slot.content().expect("the vectors before stay");
        let a = dictionary.product("a").expect("no collision");
        assert_eq!(served.vectors.similar(a, 9, |_| false).len(), 2);
    }
}
