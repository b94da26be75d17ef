//! The finished pages of one column of a group.

use std::mem::take;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter as _};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::Result;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::compression::compress;
use super::levels::put_run;

/// Pages, compressed, one after the other.
#[derive(Default)]
pub(super) struct FinishedPages {
    bytes: Vec<u8>,
    /// The size of the pages with their headers, before compression.
    uncompressed: usize,
    rows: u64,
    /// The size of the page with the dictionary, if there is one.
    dictionary: Option<usize>,
}

impl FinishedPages {
    /// All rows have the same value. `plain` is this value in plain encoding.
    pub(super) fn of_same(plain: &[u8], rows: u32) -> Result<FinishedPages> {
        let mut pages = FinishedPages::default();
        let dictionary = compress(plain)?;
        let page = Page::DictionaryPage { buf: dictionary, num_values: 1, encoding: Encoding::PLAIN, is_sorted: false };
        pages.write(page, plain.len())?;
        pages.dictionary = Some(pages.bytes.len());
        // Indexes of one bit, which are all 0.
        let mut indexes = vec![1];
        put_run(&mut indexes, rows, 0);
        pages.add_page(&compress(&indexes)?, indexes.len(), rows, Encoding::RLE_DICTIONARY)?;
        Ok(pages)
    }

    /// Adds a compressed page. `uncompressed`: its size before.
    pub(super) fn add_page(&mut self, frame: &Bytes, uncompressed: usize, rows: u32, encoding: Encoding) -> Result<()> {
        self.rows += u64::from(rows);
        let data = Page::DataPage {
            buf: frame.clone(),
            num_values: rows,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        self.write(data, uncompressed)
    }

    fn write(&mut self, page: Page, uncompressed: usize) -> Result<()> {
        let mut out = TrackedWrite::new(take(&mut self.bytes));
        let written = SerializedPageWriter::new(&mut out).write_page(CompressedPage::new(page, uncompressed))?;
        self.uncompressed += written.uncompressed_size;
        self.bytes = out.into_inner()?;
        Ok(())
    }

    /// Bytes of the pages.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Moves the pages into the group of a file, as its next column.
    pub(super) fn move_into(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        column: ColumnDescPtr,
        encoding: Encoding,
        statistics: Option<Statistics>,
    ) -> Result<()> {
        let FinishedPages { bytes, uncompressed, rows, dictionary } = take(self);
        let plain_dictionary = dictionary.map(|_| Encoding::PLAIN);
        let encodings = [Encoding::RLE, encoding].into_iter().chain(plain_dictionary).collect();
        let mut metadata = ColumnChunkMetaData::builder(column)
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_encodings(encodings)
            .set_num_values(i64::try_from(rows)?)
            .set_total_compressed_size(i64::try_from(bytes.len())?)
            .set_total_uncompressed_size(i64::try_from(uncompressed)?)
            .set_data_page_offset(i64::try_from(dictionary.unwrap_or(0))?)
            .set_dictionary_page_offset(dictionary.map(|_| 0));
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let bytes_written = bytes.len() as u64;
        let close = ColumnCloseResult {
            bytes_written,
            rows_written: rows,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        let bytes = Bytes::from(bytes);
        group.append_column(&bytes, close)?;
        // The next group uses the memory again.
        self.bytes = bytes.into();
        self.bytes.clear();
        Ok(())
    }
}
