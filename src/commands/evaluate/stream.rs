//! `vitrine evaluate --stream`: for each line that asks, the list after exactly the lines before it.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use dataflow::ids::ProductKey;

use super::lines::{BadLine, Id, LINE_BYTES_MAX, Line};
use super::sources::ListMaker;
use super::walk::Walk;
use crate::config::Config;

/// What was read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Went {
    pub(super) lines: u64,
    pub(super) asks: u64,
    pub(super) empty: u64,
}

/// Reads the stream from `input` and writes an answer to `output` for each line that asks.
pub(super) fn run(config: &Config, mut lists: ListMaker, input: &Path, output: &Path) -> anyhow::Result<Went> {
    let (mut reader, out) = open(input, output)?;
    let (mut out, mut line) = (BufWriter::new(out), Vec::new());
    let named = || format!("{} cannot be written", output.display());
    let mut stream = Stream { walk: Walk::new(config), whole: HashSet::new(), went: Went::default() };
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if read.with_context(|| format!("{} cannot be read", input.display()))? == 0 {
            break;
        }
        stream.went.lines += 1;
        if line.len() as u64 == LINE_BYTES_MAX {
            bail!("line {} of {} is longer than {LINE_BYTES_MAX} bytes", stream.went.lines, input.display());
        }
        let answered = read_line(&line).map_err(anyhow::Error::from).and_then(|line| match line {
            Some(line) => stream.line(&line, &mut lists),
            None => Ok(String::new()),
        });
        let text = answered.with_context(|| format!("line {} of {}", stream.went.lines, input.display()))?;
        out.write_all(text.as_bytes()).with_context(named)?;
    }
    out.flush().with_context(named)?;
    Ok(stream.went)
}

/// Reads a line; nothing if it is blank.
fn read_line(line: &[u8]) -> Result<Option<Line>, BadLine> {
    let line = std::str::from_utf8(line)?;
    if line.trim().is_empty() { Ok(None) } else { Line::parse(line).map(Some) }
}

/// Opens the input, and creates the output once the input can be read.
fn open(input: &Path, output: &Path) -> anyhow::Result<(BufReader<File>, File)> {
    let unreadable = || format!("{} cannot be read", input.display());
    let file = File::open(input).with_context(unreadable)?;
    if is_same(&file, output).with_context(unreadable)? {
        bail!("{} is the input {}: name another file for the lists", output.display(), input.display());
    }
    let mut reader = BufReader::with_capacity(1 << 20, file);
    // A directory can be opened, too.
    reader.fill_buf().with_context(unreadable)?;
    let out = File::create(output).with_context(|| format!("{} cannot be written", output.display()))?;
    Ok((reader, out))
}

/// Whether a path leads to an open file, by whatever name. A terminal or a pipe may be read and written.
fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    let file = file.metadata()?;
    let is_it = |other: Metadata| (other.dev(), other.ino()) == (file.dev(), file.ino());
    Ok(file.is_file() && std::fs::metadata(path).is_ok_and(is_it))
}

struct Stream {
    walk: Walk,
    /// Products whose ids came as numbers: answers give them as numbers.
    whole: HashSet<ProductKey>,
    went: Went,
}

impl Stream {
    /// Takes a line; returns the line of the answer, or nothing.
    fn line(&mut self, line: &Line, lists: &mut ListMaker) -> anyhow::Result<String> {
        self.walk.take(line)?;
        match line {
            Line::Ask { key, user } => self.answer(key, user, lists),
            Line::View { product, .. } | Line::Order { product, .. } | Line::Category { product, .. } => {
                if let Id::Whole(_) = product {
                    self.whole.extend(self.walk.dictionary().find_product(&product.text()));
                }
                Ok(String::new())
            }
        }
    }

    /// The answer, with the key as it was written.
    fn answer(&mut self, key: &str, user: &Id, lists: &mut ListMaker) -> anyhow::Result<String> {
        let (now, user) = (self.walk.clock(), self.walk.dictionary().find_user(&user.text()));
        let reader = self.walk.reader();
        lists.train(reader, now)?;
        let list: Vec<Id> = lists.list(reader, user).into_iter().filter_map(|product| self.id(product)).collect();
        self.went.asks += 1;
        self.went.empty += u64::from(list.is_empty());
        Ok(format!("{{\"user\":{key},\"list\":{}}}\n", serde_json::to_string(&list)?))
    }

    fn id(&self, product: ProductKey) -> Option<Id> {
        let text = self.walk.dictionary().product_name(product)?;
        let whole = self.whole.contains(&product).then(|| text.parse().ok()).flatten();
        Some(whole.map_or_else(|| Id::Text(text.to_string()), Id::Whole))
    }
}
