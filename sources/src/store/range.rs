//! The store as a replay reads it: all rows once, of one state of the store.

use dataflow::dictionary::Dictionary;
use dataflow::source_status::SourceRegistry;
use events::DeadLetter;
use store::{FollowError, Follower};

use super::NAME;
use super::catalogue::StoreCatalogue;
use super::orders::StoreOrders;
use super::reading::{HeldRows, read_all};
use crate::refusals::Refusals;
use crate::replay::{LetterHandler, ReplayBounds, ReplayTables};

/// Reads catalogue, orders and lines.
///
/// # Errors
/// When the store cannot be read.
pub fn read(
    follower: &mut dyn Follower,
    bounds: ReplayBounds,
    dictionary: &Dictionary,
    status: &SourceRegistry,
    letters: &LetterHandler,
) -> Result<ReplayTables, FollowError> {
    let status = status.source(NAME);
    let (mut catalogue, mut orders) =
        (StoreCatalogue::resumed(Vec::new()), StoreOrders::resumed(Vec::new(), Vec::new()));
    let held = HeldRows { catalogue: &mut catalogue, orders: &mut orders };
    let (since, mut refused) = (bounds.from.saturating_sub(bounds.kept_ms), Vec::new());
    let (changes, last) = read_all(follower, since, held, dictionary, &mut refused)?;
    let mut refusals = Refusals::default();
    for (reason, payload, fault) in refused {
        if refusals.is_new(&payload) {
            status.rejected(reason);
            letters(DeadLetter::new(NAME, 0, last + 1, fault.into(), payload.as_bytes()));
        }
    }
    // Nothing was held before, so every change is a row that came.
    let orders = changes.orders.into_iter().map(|(row, _)| row);
    let tables = ReplayTables {
        catalogue: changes.catalogue.into_iter().map(|(row, _)| row).collect(),
        orders: orders.filter(|row| bounds.holds(row.placed.created_at())).collect(),
        lines: changes.lines.into_iter().map(|(row, _)| row).collect(),
    };
    status.accepted((tables.catalogue.len() + tables.orders.len() + tables.lines.len()) as u64);
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use dataflow::ids::{CategoryKey, Ids};
    use dataflow::tables::{CatalogueRow, OrderRow, Placed};
    use store::sqlite::{self, SqliteStore};
    use store::{
        Action, Bounds, Condition, Follow as _, Followed, Kind, Listed, Row, Settings, Store, TableRow, Write,
        WriteRequest,
    };

    use super::*;

    const DAY_MS: u64 = 86_400_000;
    const BOUNDS: ReplayBounds = ReplayBounds { from: 20_100 * DAY_MS, until: 20_101 * DAY_MS, kept_ms: 30 * DAY_MS };

    fn write(store: &SqliteStore, kind: Kind, id: &str, action: Action) {
        let write = Write { kind, id: id.to_owned(), action, condition: Condition::default() };
        let request = WriteRequest { writes: vec![write], repeatable: None, now: 1 };
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(store.write(request)).unwrap();
    }

    fn put(store: &SqliteStore, kind: Kind, json: &serde_json::Value) {
        let now = i64::MAX / 2;
        let row = Row::from_json(kind, None, json.to_string().as_bytes(), &Bounds { now, price_digits: 2 }).unwrap();
        let id = row.id().to_owned();
        write(store, kind, &id, Action::Put(row));
    }

    fn order(store: &SqliteStore, id: &str, at: u64, status: &str) {
        let lines = serde_json::json!([{"product_id": "lamp"}, {"product_id": "bulb", "returned": true}]);
        let row = serde_json::json!(
            {"purchase_id": id, "user_id": "ada", "created_at": at, "status": status, "lines": lines});
        put(store, Kind::Purchases, &row);
    }

    #[test]
    fn the_rows_are_those_that_the_server_has() {
        let dir = tempfile::tempdir().unwrap();
        let store = sqlite::open(Settings { path: dir.path().join("store.db"), ..Settings::default() }).unwrap();
        put(&store, Kind::Categories, &serde_json::json!({"category_id": "house"}));
        put(&store, Kind::Categories, &serde_json::json!({"category_id": "light", "parent_id": "house"}));
        put(&store, Kind::Products, &serde_json::json!({"product_id": "lamp", "category_id": "light"}));
        put(&store, Kind::Products, &serde_json::json!({"product_id": "gone", "category_id": "light"}));
        write(&store, Kind::Products, "gone", Action::Delete);
        let placed = "placed";
        for (id, day, status) in
            [("left", 20_070, placed), ("paid", 20_071, placed), ("off", 20_090, "cancelled"), ("next", 20_102, placed)]
        {
            order(&store, id, day * DAY_MS, status);
        }
        let (ids, status) = (Dictionary::new(Ids::new([7; 16])), SourceRegistry::default());
        let refused: LetterHandler = Arc::new(|letter| panic!("{letter:?}"));
        let mut tables = read(&mut *store.follow().unwrap(), BOUNDS, &ids, &status, &refused).unwrap();

        let row = |product: &str, category| CatalogueRow { product: ids.product(product).unwrap(), category };
        let category = |id| ids.category(id).unwrap();
        let mut catalogue =
            [row("lamp", category("light")), row("lamp", category("house")), row("gone", CategoryKey::DELETED)];
        catalogue.sort_unstable();
        tables.catalogue.sort_unstable();
        assert_eq!(tables.catalogue, catalogue);
        let placed = |id, day: u64, counts| OrderRow {
            order: ids.order(id),
            user: ids.user("ada"),
            placed: Placed::new(day * DAY_MS, counts),
        };
        let mut orders = [placed("paid", 20_071, true), placed("off", 20_090, false)];
        orders.sort_unstable();
        tables.orders.sort_unstable();
        assert_eq!(tables.orders, orders, "an order that was cancelled is known, and does not count");
        let lines = tables.lines.iter().filter(|line| line.order == ids.order("paid"));
        let lines: Vec<_> = lines.map(|line| line.product).collect();
        assert_eq!(lines, [ids.product("lamp").unwrap()], "a line that was returned is no line");
    }

    /// A store with these rows.
    struct Fixed(Vec<TableRow>);

    impl Follower for Fixed {
        fn read_all(&mut self, _: store::Millis, see: &mut dyn FnMut(TableRow)) -> Result<i64, FollowError> {
            self.0.drain(..).for_each(see);
            Ok(8)
        }

        fn read_changes(&mut self, _: i64, _: &mut dyn FnMut(TableRow)) -> Result<Followed, FollowError> {
            Ok(Followed::Unchanged)
        }
    }

    #[test]
    fn a_row_that_cannot_be_used_is_refused_and_the_others_are_read() {
        let product = |id: &str| {
            let now = Some(Listed { category: None, available: true });
            TableRow::Product { product: id.to_owned(), now }
        };
        let mut follower = Fixed(vec![product(&"x".repeat(300)), product("lamp")]);
        let letters = Arc::new(Mutex::new(Vec::new()));
        let taken = letters.clone();
        let refused: LetterHandler = Arc::new(move |letter| taken.lock().unwrap().push(letter));
        let (ids, status) = (Dictionary::new(Ids::new([7; 16])), SourceRegistry::default());
        let tables = read(&mut follower, BOUNDS, &ids, &status, &refused).unwrap();
        assert_eq!(
            tables.catalogue,
            [CatalogueRow { product: ids.product("lamp").unwrap(), category: CategoryKey::NONE }]
        );
        let letters = letters.lock().unwrap();
        let found: Vec<_> = letters.iter().map(|letter| (letter.reason, letter.offset)).collect();
        assert_eq!(found, [("id_too_long", 9)]);
        let status = status.snapshot().pop().unwrap();
        assert_eq!((status.accepted, status.rejected.get("id_too_long")), (1, Some(&1)));
    }
}
