//! Cuts rows into pieces, row groups and stripes, and writes what stands around them.
//!
//! A *piece* is what is written between two looks at the stripe's size. Pieces, row groups and stripes are counted from
//! the first row of the file, so a batch that ends within one is gone on with by the next batch.

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};

use crate::column::{Column, StripeFooter, Usage};
use crate::compress::{Compression, Compressor};
use crate::proto::Message;
use crate::schema::{self, Unsupported};
use crate::size;

/// How a file is written. All of it shapes the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub compression: Compression,
    /// Bytes of a chunk before compression, 1 to 8,388,607. Readers allocate as much for each stream.
    pub block_bytes: usize,
    /// A stripe ends when its streams have so many bytes before compression, looked at every 1,000 rows or 128 KiB.
    pub stripe_bytes: usize,
    /// A stripe ends after so many rows at the latest; at least 1.
    pub stripe_rows: usize,
    /// Rows of an entry in the row index, 1 to 4,294,967,295.
    pub group_rows: usize,
    /// Columns that get a bloom filter: paths, with dots between names.
    pub bloom_columns: Vec<String>,
}

/// Writes one file.
pub struct Writer {
    schema: SchemaRef,
    root: Column,
    types: Vec<Message>,
    compressor: Compressor,
    options: Options,
    piece: Piece,
    group_rows: usize,
    stripe_rows: usize,
    rows: u64,
    /// Bytes written so far.
    offset: u64,
    /// `Footer` under construction: the stripes.
    footer: Message,
    /// `Metadata` under construction: statistics of the stripes.
    metadata: Message,
    held_bytes: usize,
}

/// What was written since the last look at the stripe's size.
#[derive(Clone, Copy, Default)]
struct Piece {
    rows: usize,
    bytes: usize,
}

const PIECE_ROWS_MAX: usize = 1_000;
const PIECE_BYTES_MAX: usize = 128 * 1_024;

const MAGIC: &[u8] = b"ORC";
/// Of the file format; persisted.
const VERSION: [u64; 2] = [0, 12];
/// Which program wrote a file. 0 to 5 are registered; readers treat an unknown one as the newest, which is right: no
/// defect of an old writer is to be worked around. Persisted.
const WRITER: u64 = 0x5ec0;
/// Other writers than Java's begin at 6.
const WRITER_VERSION: u64 = 6;
/// Dates before 1582 are Gregorian too, as in Arrow.
const PROLEPTIC_GREGORIAN: u64 = 2;

impl Default for Options {
    fn default() -> Self {
        Self {
            compression: Compression::Zlib { level: 6 },
            block_bytes: 256 * 1_024,
            stripe_bytes: 64 << 20,
            stripe_rows: usize::MAX,
            group_rows: 10_000,
            bloom_columns: Vec::new(),
        }
    }
}

impl Writer {
    /// # Errors
    /// When ORC has no type for a column, or no bloom filter.
    ///
    /// # Panics
    /// When a number of the options is out of the range that its documentation says.
    pub fn new(schema: &Schema, options: Options) -> Result<Self, Unsupported> {
        assert!(options.group_rows > 0 && u32::try_from(options.group_rows).is_ok(), "a row group has 1 to 2^32 rows");
        assert!(options.stripe_rows > 0, "a stripe has at least one row");
        let tree = schema::tree(schema, &options.bloom_columns, options.group_rows)?;
        Ok(Self {
            schema: schema.clone().into(),
            root: tree.root,
            types: tree.types,
            compressor: Compressor::new(options.compression, options.block_bytes),
            options,
            piece: Piece::default(),
            group_rows: 0,
            stripe_rows: 0,
            rows: 0,
            offset: 0,
            footer: Message::default(),
            metadata: Message::default(),
            held_bytes: 0,
        })
    }

    /// Appends rows. Stripes that end go to the end of `out`.
    ///
    /// # Panics
    /// When the batch's columns are not those of the writer's schema.
    pub fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        assert!(
            batch.schema_ref().fields() == self.schema.fields() || has_types_of(batch, &self.schema),
            "a batch has the types of the writer's schema"
        );
        self.begin_file(out);
        let columns = arrow_array::StructArray::from(batch.clone());
        let mut at = 0;
        while at < batch.num_rows() {
            let rows = at..at + self.next_rows(batch, at);
            self.root.write(&columns, std::slice::from_ref(&rows));
            at = rows.end;
            self.piece.bytes += size::batch_bytes(batch, rows.clone());
            self.end_what_is_full(rows.len(), out);
        }
    }

    /// Bytes of memory that wait for the end of the stripe, as of the last look at them.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.held_bytes + self.piece.bytes
    }

    /// Ends the stripe early and gives its memory back: for when memory is short. The rows stay the same.
    pub fn end_stripe(&mut self, out: &mut Vec<u8>) {
        if self.stripe_rows == 0 {
            return;
        }
        self.end_group();
        self.look();
        self.root.finish(&mut self.compressor);
        let mut statistics = Message::default();
        self.root.stripe_statistics(1, &mut statistics);
        self.metadata.message(1, &statistics);

        let (mut footer, start) = (StripeFooter::default(), out.len());
        self.root.write_index(&mut self.compressor, &mut footer, out);
        let data = out.len();
        self.root.write_data(&mut footer, out);
        let tail = out.len();
        self.compressor.push_all(footer.into_message().bytes(), out);

        let mut stripe = Message::default();
        stripe.uint(1, self.offset);
        stripe.uint(2, (data - start) as u64);
        stripe.uint(3, (tail - data) as u64);
        stripe.uint(4, (out.len() - tail) as u64);
        stripe.uint(5, self.stripe_rows as u64);
        self.footer.message(3, &stripe);
        self.offset += (out.len() - start) as u64;
        (self.stripe_rows, self.held_bytes) = (0, 0);
    }

    /// Appends the last stripe and the tail of the file.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.begin_file(out);
        self.end_stripe(out);
        let start = out.len();
        self.compressor.push_all(self.metadata.bytes(), out);
        let metadata_bytes = out.len() - start;
        let footer = self.footer();
        let start = out.len();
        self.compressor.push_all(footer.bytes(), out);
        let footer_bytes = out.len() - start;

        let mut post_script = Message::default();
        post_script.uint(1, footer_bytes as u64);
        post_script.uint(2, self.options.compression.number());
        post_script.uint(3, self.options.block_bytes as u64);
        post_script.packed(4, &VERSION);
        post_script.uint(5, metadata_bytes as u64);
        post_script.uint(6, WRITER_VERSION);
        post_script.blob(8_000, MAGIC);
        out.extend_from_slice(post_script.bytes());
        out.push(u8::try_from(post_script.bytes().len()).expect("a post script has a few numbers"));
    }

    fn begin_file(&mut self, out: &mut Vec<u8>) {
        if self.offset == 0 {
            out.extend_from_slice(MAGIC);
            self.offset = MAGIC.len() as u64;
        }
    }

    /// How many rows from `at` on can be written before something may be full: at least one.
    fn next_rows(&self, batch: &RecordBatch, at: usize) -> usize {
        let most = (batch.num_rows() - at)
            .min(PIECE_ROWS_MAX - self.piece.rows)
            .min(self.options.group_rows - self.group_rows)
            .min(self.options.stripe_rows - self.stripe_rows);
        let room = PIECE_BYTES_MAX - self.piece.bytes;
        let fits = |rows: usize| size::batch_bytes(batch, at..at + rows) < room;
        if fits(most) {
            return most;
        }
        // the row that fills the piece belongs to it, wherever the batch ends
        let (mut fitting, mut filling) = (0, most);
        while filling - fitting > 1 {
            let middle = fitting.midpoint(filling);
            if fits(middle) {
                fitting = middle;
            } else {
                filling = middle;
            }
        }
        filling
    }

    /// After `rows` more were written.
    fn end_what_is_full(&mut self, rows: usize, out: &mut Vec<u8>) {
        self.piece.rows += rows;
        self.group_rows += rows;
        self.stripe_rows += rows;
        self.rows += rows as u64;
        let is_piece_full = self.piece.rows == PIECE_ROWS_MAX || self.piece.bytes >= PIECE_BYTES_MAX;
        let encoded_bytes = if is_piece_full { self.look() } else { 0 };
        if self.group_rows == self.options.group_rows {
            self.end_group();
        }
        if encoded_bytes >= self.options.stripe_bytes || self.stripe_rows == self.options.stripe_rows {
            self.end_stripe(out);
        }
    }

    /// Looks at the size of the stripe: bytes before compression.
    fn look(&mut self) -> usize {
        self.piece = Piece::default();
        let mut usage = Usage::default();
        self.root.settle(&mut self.compressor, &mut usage);
        self.held_bytes = usage.held;
        usage.encoded
    }

    fn end_group(&mut self) {
        if self.group_rows > 0 {
            self.root.end_group();
            self.group_rows = 0;
        }
    }

    /// The rest of `Footer`.
    fn footer(&mut self) -> Message {
        let mut footer = std::mem::take(&mut self.footer);
        footer.uint(1, MAGIC.len() as u64);
        footer.uint(2, self.offset);
        for column in &self.types {
            footer.message(4, column);
        }
        footer.uint(6, self.rows);
        self.root.file_statistics(7, &mut footer);
        footer.uint(8, self.options.group_rows as u64);
        footer.uint(9, WRITER);
        footer.uint(11, PROLEPTIC_GREGORIAN);
        footer
    }
}

/// A batch may say of a column that it has no nulls, or name the items of a list otherwise.
fn has_types_of(batch: &RecordBatch, schema: &Schema) -> bool {
    let columns = batch.schema_ref().fields();
    columns.len() == schema.fields().len()
        && columns.iter().zip(schema.fields()).all(|(a, b)| a.data_type().equals_datatype(b.data_type()))
}

#[cfg(test)]
mod tests;
