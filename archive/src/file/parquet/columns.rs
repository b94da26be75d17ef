//! The columns of the open group: values go straight into a page, and a full page is compressed.
//!
//! ```text
//! page:  room │ values …        at its end, what must stand before the values fills the end of the room:
//!        ─────│ levels │ values …
//! ```

use parquet::basic::Encoding;
use parquet::errors::Result;
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::schema::types::ColumnDescPtr;

use super::compression::compress;
use super::deltas::Deltas;
use super::finished::FinishedPages;
use super::levels::PageLevels;

/// The bounds of a page: it is compressed while it is in a core's own cache, and with a record its buffer is of a power of two.
const PAGE_ROWS: u32 = 16_000;
const PAGE_BYTES: usize = 480 << 10;

/// Bytes for what stands before the values of most pages.
const ROOM: usize = 48;

/// The pages of a column.
struct ColumnPages {
    encoding: Encoding,
    /// The values of the open page, after the room; empty if the page has no values yet.
    page: Vec<u8>,
    rows: u32,
    /// None if every row has a value.
    levels: Option<PageLevels>,
    finished: FinishedPages,
}

impl ColumnPages {
    fn new(encoding: Encoding, is_optional: bool) -> ColumnPages {
        let levels = is_optional.then(PageLevels::default);
        ColumnPages { encoding, page: Vec::new(), rows: 0, levels, finished: FinishedPages::default() }
    }

    /// Where the next value goes.
    #[inline]
    fn values(&mut self) -> &mut Vec<u8> {
        if self.page.is_empty() {
            self.page.resize(ROOM, 0);
        }
        &mut self.page
    }

    /// Ends a row; whether the page is full.
    #[inline]
    fn end_row(&mut self, has_value: bool) -> bool {
        if let Some(levels) = &mut self.levels {
            levels.push(has_value);
        }
        self.rows += 1;
        self.rows == PAGE_ROWS || self.page.len() >= PAGE_BYTES
    }

    /// Ends the page. `before` stands between the levels and the values.
    fn end(&mut self, before: &[u8]) -> Result<()> {
        let start = self.assemble(before);
        let page = &self.page[start..];
        self.finished.add_page(&compress(page)?, page.len(), self.rows, self.encoding)?;
        self.clear();
        Ok(())
    }

    /// Puts levels and `before` before the values. Returns where the page begins in its buffer.
    fn assemble(&mut self, before: &[u8]) -> usize {
        let mut head = Vec::new();
        if let Some(levels) = &mut self.levels {
            levels.move_into(&mut head);
        }
        head.extend_from_slice(before);
        self.values();
        let start = ROOM.saturating_sub(head.len());
        if head.len() <= ROOM {
            self.page[start..ROOM].copy_from_slice(&head);
        } else {
            drop(self.page.splice(..ROOM, head));
        }
        start
    }

    /// Begins the next page.
    fn clear(&mut self) {
        self.page.clear();
        // A large record does not keep its memory.
        self.page.shrink_to(2 * PAGE_BYTES);
        self.rows = 0;
    }

    fn size(&self) -> PagesSize {
        PagesSize { open: self.page.len(), finished: self.finished.size(), memory: self.memory() }
    }

    fn memory(&self) -> usize {
        self.page.capacity() + self.finished.memory() + self.levels.as_ref().map_or(0, PageLevels::memory)
    }

    fn move_into(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        column: ColumnDescPtr,
        statistics: Option<Statistics>,
    ) -> Result<()> {
        self.finished.move_into(group, column, self.encoding, statistics)
    }
}

/// The size of a column, or of several.
#[derive(Clone, Copy, Default)]
pub(super) struct PagesSize {
    /// Bytes of open pages, which are not compressed.
    pub(super) open: usize,
    /// Bytes of finished pages.
    pub(super) finished: usize,
    /// The memory that all of them take.
    pub(super) memory: usize,
}

impl PagesSize {
    /// The size of both.
    pub(super) fn plus(self, other: PagesSize) -> PagesSize {
        PagesSize {
            open: self.open + other.open,
            finished: self.finished + other.finished,
            memory: self.memory + other.memory,
        }
    }
}

/// Texts, or bytes, of which some are missing.
pub(super) struct TextColumn(ColumnPages);

impl Default for TextColumn {
    fn default() -> TextColumn {
        TextColumn(ColumnPages::new(Encoding::PLAIN, true))
    }
}

impl TextColumn {
    #[inline]
    pub(super) fn push(&mut self, text: Option<&[u8]>) -> Result<()> {
        if self.put(text)? { self.0.end(&[]) } else { Ok(()) }
    }

    /// Adds a row; whether the page is full.
    #[inline]
    fn put(&mut self, text: Option<&[u8]>) -> Result<bool> {
        if let Some(text) = text {
            let values = self.0.values();
            values.extend_from_slice(&i32::try_from(text.len())?.to_le_bytes());
            values.extend_from_slice(text);
        }
        Ok(self.0.end_row(text.is_some()))
    }

    pub(super) fn size(&self) -> PagesSize {
        self.0.size()
    }

    /// Moves all rows into the group of a file, as its next column.
    pub(super) fn move_into(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        column: ColumnDescPtr,
    ) -> Result<()> {
        if self.0.rows > 0 {
            self.0.end(&[])?;
        }
        // Bounds would cost time and exclude no group: nearly every group has ids from the whole range and every type.
        self.0.move_into(group, column, None)
    }
}

/// Two columns whose texts are mostly the same, as keys and users are. Their pages end together, and pages that are equal are
/// compressed once.
#[derive(Default)]
pub(super) struct TwinColumns {
    pub(super) one: TextColumn,
    pub(super) other: TextColumn,
}

impl TwinColumns {
    #[inline]
    pub(super) fn push(&mut self, one: Option<&[u8]>, other: Option<&[u8]>) -> Result<()> {
        let (one_is_full, other_is_full) = (self.one.put(one)?, self.other.put(other)?);
        if one_is_full || other_is_full { self.end() } else { Ok(()) }
    }

    fn end(&mut self) -> Result<()> {
        let TwinColumns { one: TextColumn(one), other: TextColumn(other) } = self;
        let (start, start_of_other) = (one.assemble(&[]), other.assemble(&[]));
        let (page, page_of_other) = (&one.page[start..], &other.page[start_of_other..]);
        let frame = compress(page)?;
        one.finished.add_page(&frame, page.len(), one.rows, one.encoding)?;
        let frame_of_other = if page == page_of_other { frame } else { compress(page_of_other)? };
        other.finished.add_page(&frame_of_other, page_of_other.len(), other.rows, other.encoding)?;
        one.clear();
        other.clear();
        Ok(())
    }

    /// Ends the pages, so that all rows of both columns can be moved.
    pub(super) fn end_group(&mut self) -> Result<()> {
        if self.one.0.rows > 0 { self.end() } else { Ok(()) }
    }
}

/// Numbers that mostly rise.
pub(super) struct NumberColumn {
    pages: ColumnPages,
    deltas: Deltas,
    bounds: Option<(i64, i64)>,
    missing: u64,
}

impl NumberColumn {
    /// Every row has a number.
    pub(super) fn required() -> NumberColumn {
        NumberColumn::new(false)
    }

    /// Some rows have none.
    pub(super) fn optional() -> NumberColumn {
        NumberColumn::new(true)
    }

    fn new(is_optional: bool) -> NumberColumn {
        let pages = ColumnPages::new(Encoding::DELTA_BINARY_PACKED, is_optional);
        NumberColumn { pages, deltas: Deltas::default(), bounds: None, missing: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, number: Option<i64>) -> Result<()> {
        match number {
            Some(number) => {
                self.deltas.push(number, self.pages.values());
                let (least, most) = self.bounds.unwrap_or((number, number));
                self.bounds = Some((least.min(number), most.max(number)));
            }
            None => self.missing += 1,
        }
        if self.pages.end_row(number.is_some()) { self.end() } else { Ok(()) }
    }

    fn end(&mut self) -> Result<()> {
        let before = self.deltas.end(self.pages.values());
        self.pages.end(&before)
    }

    pub(super) fn size(&self) -> PagesSize {
        self.pages.size()
    }

    /// Moves all rows into the group of a file, as its next column.
    pub(super) fn move_into(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        column: ColumnDescPtr,
    ) -> Result<()> {
        if self.pages.rows > 0 {
            self.end()?;
        }
        let (bounds, missing) = (self.bounds.take(), std::mem::take(&mut self.missing));
        let (least, most) = bounds.unzip();
        self.pages.move_into(group, column, Some(Statistics::int64(least, most, None, Some(missing), false)))
    }
}
