//! Test data as the files of the embedded source.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use sources::files::FILES;

use super::rfc3339;
use crate::commands::progress;
use crate::generate::{Order, Shop};

const BUFFER_BYTES: usize = 1 << 18;

type Content = fn(&Shop, &mut dyn Write) -> anyhow::Result<u64>;

/// The files with what they hold. The views are last: where they are, the others are.
const CONTENTS: [(&str, &str, Content); 3] =
    [("product_catalog.csv", "products", catalogue), ("orders.csv", "order lines", orders), (VIEWS, "views", views)];

const VIEWS: &str = "views.jsonl";

/// The file of the demo's store.
pub(in crate::commands) const STORE: &str = "store.db";

/// The file by which a demo knows a directory that a demo has made.
const DEMO_MARK: &str = ".vitrine-demo";

const DEMO_TEXT: &str =
    "`vitrine demo` has made the files of this directory, and adds invented views and orders to them.\n";

/// Writes `product_catalog.csv`, `orders.csv` and `views.jsonl` into the directory, which is created if necessary, and prints
/// what it has written.
///
/// # Errors
/// A file exists and `force` is not set, or a file cannot be written.
pub(in crate::commands) fn write(shop: &Shop, dir: &Path, force: bool) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be created", dir.display()))?;
    let existing = CONTENTS.iter().map(|(name, ..)| dir.join(name)).find(|path| path.exists());
    if let Some(path) = existing.filter(|_| !force) {
        bail!("{} exists; --force replaces it, --dir names another directory", path.display());
    }
    write_all(shop, dir, |path, count, what| println!("{}: {count} {what}", path.display()))
}

/// Makes the directory of a demo, or takes one that an earlier demo has made. The files of another shop stay as they are.
///
/// # Errors
/// The directory has files of a shop that no demo has made, or cannot be written.
pub(in crate::commands) fn claim_for_demo(dir: &Path) -> anyhow::Result<()> {
    let mark = dir.join(DEMO_MARK);
    if mark.try_exists().with_context(|| format!("{} cannot be read", mark.display()))? {
        return Ok(());
    }
    if let Some(path) = FILES.into_iter().chain([STORE]).map(|name| dir.join(name)).find(|path| path.exists()) {
        bail!(
            "{} exists, and no demo has made it: the demo would add invented views and orders to a shop; --dir names another \
             directory",
            path.display()
        );
    }
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be created", dir.display()))?;
    std::fs::write(&mark, DEMO_TEXT).with_context(|| format!("{} cannot be written", mark.display()))
}

/// Writes the same files into a directory that has no views yet and exists, in silence.
///
/// # Errors
/// A file cannot be written.
pub(in crate::commands) fn write_first(shop: &Shop, dir: &Path) -> anyhow::Result<()> {
    if dir.join(VIEWS).exists() { Ok(()) } else { write_all(shop, dir, |_, _, _| {}) }
}

fn write_all(shop: &Shop, dir: &Path, written: impl Fn(&Path, u64, &str)) -> anyhow::Result<()> {
    for (name, what, content) in CONTENTS {
        let path = dir.join(name);
        let count = replace(&path, |out| content(shop, out))
            .with_context(|| format!("{} cannot be written", path.display()))?;
        written(&path, count, what);
    }
    Ok(())
}

/// Writes a temporary file and renames it at the end, so that no reader sees half a file.
fn replace(path: &Path, content: impl FnOnce(&mut dyn Write) -> anyhow::Result<u64>) -> anyhow::Result<u64> {
    let part = path.with_added_extension("part");
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, File::create(&part)?);
    let count = content(&mut out)?;
    out.into_inner()?.sync_all()?;
    std::fs::rename(&part, path)?;
    Ok(count)
}

fn views(shop: &Shop, out: &mut dyn Write) -> anyhow::Result<u64> {
    let bar = progress::items("views", shop.plan().views);
    for view in bar.wrap_iter(shop.views()) {
        out.write_all(view.json(shop).as_bytes())?;
        out.write_all(b"\n")?;
    }
    Ok(shop.plan().views)
}

/// The products as CSV.
fn catalogue(shop: &Shop, out: &mut dyn Write) -> anyhow::Result<u64> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["product_id", "product_name", "category", "price", "description", "attributes"])?;
    for product in progress::items("products", u64::from(shop.plan().products)).wrap_iter(shop.products()) {
        let price = product.price();
        csv.write_record([
            &product.id,
            &product.name,
            &product.category,
            &price,
            &product.description,
            &product.attributes,
        ])?;
    }
    csv.flush()?;
    Ok(u64::from(shop.plan().products))
}

/// The order lines as CSV. Returned lines are left out: the file holds only lines that count.
fn orders(shop: &Shop, out: &mut dyn Write) -> anyhow::Result<u64> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["order_id", "user_id", "product_id", "quantity", "created_at"])?;
    let mut count = 0;
    for order in progress::items("orders", shop.plan().orders).wrap_iter(shop.orders()) {
        count += lines(shop, &order, &mut csv)?;
    }
    csv.flush()?;
    Ok(count)
}

fn lines(shop: &Shop, order: &Order, csv: &mut csv::Writer<impl Write>) -> anyhow::Result<u64> {
    let (id, user, at) = (order.id(), shop.user_id(order.user), rfc3339(order.at));
    let mut count = 0;
    for line in order.lines.iter().filter(|line| !line.returned) {
        csv.write_record([&id, &user, &shop.product_id(line.product), &line.quantity.to_string(), &at])?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_takes_a_new_directory_and_its_own_and_leaves_another_shops() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let dir = root.path().join("a/b");
        claim_for_demo(&dir).expect("a new directory");
        FILES.into_iter().chain([STORE]).for_each(|name| std::fs::write(dir.join(name), "").expect("a file"));
        claim_for_demo(&dir).expect("its own");
        for name in FILES.into_iter().chain([STORE]) {
            let shop = tempfile::tempdir().expect("a temporary directory");
            std::fs::write(shop.path().join("notes.txt"), "").expect("a file");
            std::fs::write(shop.path().join(name), "mine").expect("a file");
            let refused = claim_for_demo(shop.path()).expect_err("another shop's").to_string();
            assert!(refused.contains(&format!("{name} exists, and no demo has made it")), "{refused}");
            assert_eq!(std::fs::read_dir(shop.path()).expect("it is there").count(), 2, "nothing is made");
        }
    }
}
