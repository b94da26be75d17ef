//! A store that is full or away, and tables that are the shop's own: every path of rows says so.

use std::io::BufRead;
use std::sync::Arc;

use store::{
    BoxFuture, ImportReport, ImportRequest, Kind, ListRequest, Row, Store, StoreError, Stored, WriteRequest, Written,
};

use crate::shop::{Shop, Start, patient};

/// A store that does nothing for this reason.
struct IdleStore(StoreError);

impl IdleStore {
    fn fail<T: Send + 'static>(&self) -> BoxFuture<'_, Result<T, StoreError>> {
        let error = self.0.clone();
        Box::pin(async move { Err(error) })
    }
}

impl Store for IdleStore {
    fn get(&self, _: Kind, _: String) -> BoxFuture<'_, Result<Option<Stored>, StoreError>> {
        self.fail()
    }

    fn list(&self, _: ListRequest) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.fail()
    }

    fn write(&self, _: WriteRequest) -> BoxFuture<'_, Result<Written, StoreError>> {
        self.fail()
    }

    fn import(&self, _: &ImportRequest, _: &mut dyn BufRead) -> Result<ImportReport, StoreError> {
        Err(self.0.clone())
    }

    fn export(&self, _: Kind, _: &mut dyn FnMut(Row) -> bool) -> Result<(), StoreError> {
        Err(self.0.clone())
    }

    fn price_digits(&self) -> usize {
        2
    }

    fn stream(&self) -> &'static str {
        "store"
    }
}

/// Every way to ask for a row, or to write one.
const CALLS: [(&str, &str, &str); 10] = [
    ("GET", "/v1/products", ""),
    ("GET", "/v1/products/lamp", ""),
    ("POST", "/v1/products", r#"{"product_id":"lamp"}"#),
    ("PUT", "/v1/products/lamp", "{}"),
    ("PATCH", "/v1/products/lamp", "{}"),
    ("DELETE", "/v1/products/lamp", ""),
    ("POST", "/v1/products:batch", r#"[{"product_id":"lamp"}]"#),
    ("POST", "/v1/purchases/1/cancel", ""),
    ("POST", "/v1/purchases/1/lines/1/return", ""),
    ("GET", "/v1/export/products", ""),
];

#[test]
fn a_store_that_does_nothing_gives_its_reason() {
    let reason = || "the reason of the store".to_owned();
    for (error, status, slug) in [
        (StoreError::Unavailable(reason()), 503, "store-unavailable"),
        (StoreError::Unsure(reason()), 503, "store-unavailable"),
        (StoreError::Elsewhere(reason()), 409, "rows-elsewhere"),
    ] {
        let is_unavailable = matches!(error, StoreError::Unavailable(_));
        let store = Some(Arc::new(IdleStore(error)) as Arc<dyn Store>);
        let shop = Shop::guarded(patient(), Start { store, ..Start::default() });
        for (method, target, body) in CALLS {
            let answer = shop.connect().ask(method, target, &[], body.as_bytes());
            answer.assert_problem(status, slug);
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(&reason()), "{method} {target}: {detail}");
            if is_unavailable {
                let is_read = method == "GET";
                assert_eq!(detail.contains("nothing was written"), !is_read, "{method} {target}: {detail}");
            }
        }
        let csv = [("content-type", "text/csv")];
        let answer = shop.connect().ask("POST", "/v1/import/products", &csv, b"product_id\nlamp\n");
        answer.assert_problem(status, slug);
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_not_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let settings = store::Settings { path: path.clone(), ..store::Settings::default() };
    let store = Some(Arc::new(store::sqlite::SqliteStore::open(settings).unwrap()) as Arc<dyn Store>);
    let shop = Shop::guarded(patient(), Start { store, ..Start::default() });
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let csv = [("content-type", "text/csv")];
    let import = shop.connect().ask("POST", "/v1/import/products", &csv, b"product_id\nlamp\n");
    for answer in [import, shop.get("/v1/export/products")] {
        answer.assert_problem(503, "store-unavailable");
        let names_it = answer.text().contains("store.db") || answer.text().contains(dir.path().to_str().unwrap());
        assert!(!names_it, "{}", answer.text());
    }
}
