//! Rows a second and memory of an import into SQLite, or into an empty database of PostgreSQL, from a file that is made on the
//! way: `cargo run --package vitrine-store --example import_rows -- [products|users|purchases|shop] [ROWS] [URL]`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use postgres::{Client, NoTls};
use vitrine_store::postgres::{PgClient, PostgresStore};
use vitrine_store::{Bounds, FileContent, FileFormat, ImportMode, ImportRequest, Settings, Store, sqlite};

/// 2026-11-29T05:00:00Z.
const NOW: i64 = 1_795_928_400_000;

/// Reads as a CSV file with so many records.
struct Table {
    content: FileContent,
    next: u64,
    rows: u64,
    piece: io::Cursor<Vec<u8>>,
}

impl Table {
    fn record(&self, number: u64) -> String {
        // Ids in no order, as a shop has them.
        let id = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let (product, user) = (id % 20_000, id % 100_000);
        match self.content.name() {
            "products" => {
                format!("p{id},Product number {number},category {},{}.50,A plain thing\n", id % 100, id % 900)
            }
            "users" => format!("u{id},User number {number},user{number}@shop.example\n"),
            "purchases" => format!("o{id},u{user},p{product},{}.50,2,2026-11-01T10:00:00Z\n", product % 900),
            _ => format!(
                "u{user},User number {user},p{product},Product number {product},category {},{}.50,o{id},2026-11-01\n",
                product % 100,
                product % 900
            ),
        }
    }

    fn header(&self) -> &'static str {
        match self.content.name() {
            "products" => "product_id,product_name,category,price,description\n",
            "users" => "user_id,name,email\n",
            "purchases" => "order_id,customer,product,price,quantity,date\n",
            _ => "customer_id,customer_name,product_id,product_name,category,price,purchase_id,date\n",
        }
    }
}

impl Read for Table {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.piece.read(buffer)?;
        if count > 0 || self.next == self.rows {
            return Ok(count);
        }
        let last = self.rows.min(self.next + 1000);
        let piece: String = (self.next..last).map(|number| self.record(number)).collect();
        (self.next, self.piece) = (last, io::Cursor::new(piece.into_bytes()));
        self.piece.read(buffer)
    }
}

/// The store in a file, or in the database at an address.
fn open(path: &Path, url: Option<String>) -> Result<Arc<dyn Store>, Box<dyn Error>> {
    let Some(url) = url else {
        return Ok(sqlite::open(Settings { path: path.to_owned(), ..Settings::default() })?);
    };
    let connect = move |_| {
        let client = Client::connect(&url, NoTls).map_err(|error| error.to_string())?;
        Ok(Box::new(Box::new(client)) as PgClient)
    };
    let settings = Settings { manage: true, ..Settings::default() };
    Ok(Arc::new(PostgresStore::open(settings, Arc::new(connect), "postgres")?))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let content = args.next().unwrap_or_else(|| "products".to_owned());
    let content = FileContent::find(&content).ok_or("the first argument is what the file holds")?;
    let rows: u64 = args.next().map_or(Ok(1_000_000), |rows| rows.parse())?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("store.db");
    let store = open(&path, args.next())?;
    let mut file = Table { content, next: 0, rows, piece: io::Cursor::default() };
    file.piece = io::Cursor::new(file.header().as_bytes().to_vec());
    let request = ImportRequest {
        content,
        mode: ImportMode::Upsert,
        format: FileFormat::Csv,
        map: Vec::new(),
        dry_run: false,
        bounds: Bounds { price_digits: 2, now: NOW },
    };
    let started = Instant::now();
    let report = store.import(&request, &mut BufReader::with_capacity(1 << 18, file))?;
    let took = started.elapsed().as_secs_f64();
    assert!(report.written && report.rows == rows, "{report:?}");
    let status = fs::read_to_string("/proc/self/status")?;
    let status: BTreeMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
    let size = fs::metadata(&path).map(|file| format!("; {} MB on the disk", file.len() / 1_000_000));
    println!(
        "{rows} rows of {} in {took:.1} s: {:.0} rows/s; peak memory{}{}",
        content.name(),
        rows as f64 / took,
        status.get("VmHWM").unwrap_or(&" unknown"),
        size.unwrap_or_default(),
    );
    Ok(())
}
