//! Data of a given schema from the values of any input: the schema says columns, a value becomes a row of them as for every
//! file of columns, and the row a datum. What fits what is so decided in one place, and the verdict is the same as for
//! Parquet.
//!
//! Deliberately absent: schemas that are no columns. A union of two types would have to guess, and a type that holds
//! itself has no end.

use std::sync::Arc;

use super::defaults;
use super::model::{Field as SchemaField, Kind as Type, Model};
use super::transcode::{push_number, push_sized};
use crate::bad::{BadReason, BadRecord};
use crate::columns::row::Cells;
use crate::columns::types::{Field, Kind, Timestamp};

/// Types that are used in several places are columns in each.
const COLUMNS_MAX: usize = 10_000;
/// As the specification of decimals in columns has it.
const DIGITS_MAX: u8 = 38;

/// A schema that rows are made for, and become data of.
pub(crate) struct Filled {
    text: Arc<str>,
    columns: Vec<Field>,
    root: Slot,
}

/// Where a cell goes.
struct Slot {
    name: Box<str>,
    /// What stands before a value that is there: the number of its branch.
    before: Vec<u8>,
    /// What stands for a cell that is null: the branch `null`, or the field's default. `None`: there is no such cell.
    absent: Option<Vec<u8>>,
    data: Data,
}

/// How a cell becomes a datum.
enum Data {
    Boolean,
    Int,
    Long,
    /// Of a cell that has microseconds.
    Milliseconds,
    Float,
    Double,
    Sized,
    Fixed(u64),
    Decimal {
        /// Bytes of a fixed; `None`: as few as the number needs.
        size: Option<usize>,
    },
    Enum {
        symbols: Vec<String>,
        default: Option<usize>,
    },
    Array(Box<Slot>),
    Map(Box<Slot>),
    Record(Vec<Slot>),
}

// === impl Filled ===

impl Filled {
    /// # Errors
    /// Why `text` is no schema, or none that values can fill.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let model = Model::parse(text)?;
        defaults::check(&model)?;
        let mut builder = Builder { model: &model, around: Vec::new(), columns: 0 };
        let (column, root) = builder.slot("", model.root, None)?;
        match column.kind {
            Kind::Struct(columns) => Ok(Self { text: text.into(), columns, root }),
            _ => Err("its values are no records".to_owned()),
        }
    }

    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// What the row of a value has.
    pub(crate) fn columns(&self) -> &[Field] {
        &self.columns
    }

    /// The datum of a row.
    ///
    /// # Errors
    /// [`BadReason::SchemaMismatch`] with the path of the field.
    pub(crate) fn datum(&self, row: &[u8]) -> Result<Vec<u8>, BadRecord> {
        let mut datum = self.root.before.clone();
        let mut cells = Cells::new(row);
        match self.root.push_data(&mut datum, &mut cells) {
            Ok(()) => Ok(datum),
            Err(Misfit { mut path, what }) => {
                path.reverse();
                Err(BadReason::SchemaMismatch.with(format!("field `{}`: {what}", path.join("."))))
            }
        }
    }

    /// The datum of a null value.
    ///
    /// # Errors
    /// [`BadReason::NullValue`] when the schema has none.
    pub(crate) fn null(&self) -> Result<Vec<u8>, BadRecord> {
        self.root.absent.clone().ok_or_else(super::no_null)
    }
}

struct Builder<'m> {
    model: &'m Model,
    /// Types that the one in hand is in.
    around: Vec<usize>,
    columns: usize,
}

// === impl Builder ===

impl Builder<'_> {
    /// The column for a type, and where its cells go.
    fn slot(&mut self, name: &str, of: usize, field: Option<&SchemaField>) -> Result<(Field, Slot), String> {
        self.columns += 1;
        if self.columns > COLUMNS_MAX {
            return Err(format!("it has more than {COLUMNS_MAX} fields"));
        }
        let (mut before, mut absent, mut inner) = (Vec::new(), None, of);
        if let Type::Union(branches) = self.model.kind(of) {
            let is_null = |branch: &usize| matches!(self.model.kind(*branch), Type::Null);
            let null = branches.iter().position(is_null);
            let mut others = branches.iter().enumerate().filter(|(_, branch)| !is_null(branch));
            let (Some((index, branch)), None) = (others.next(), others.next()) else {
                return Err(at(name, "a union of several types could be filled in several ways"));
            };
            before = super::transcode::number(index);
            absent = null.map(super::transcode::number);
            inner = *branch;
        }
        if let (None, Some(default)) = (&absent, field.and_then(|field| field.default.as_ref())) {
            absent = Some(defaults::binary(self.model, of, default)?);
        }
        if self.around.contains(&inner) {
            return Err(at(name, "a type that holds itself has no columns"));
        }
        self.around.push(inner);
        let (kind, data) = self.data(name, inner)?;
        self.around.pop();
        let column = Field { name: name.into(), kind, required: absent.is_none() };
        Ok((column, Slot { name: name.into(), before, absent, data }))
    }

    fn data(&mut self, name: &str, of: usize) -> Result<(Kind, Data), String> {
        let model = self.model;
        let logical = model.logical(of);
        let unfit = || {
            let word = logical.map_or_else(|| model.kind(of).word(), str::to_owned);
            Err(at(name, &format!("there are no columns of `{word}`")))
        };
        Ok(match (model.kind(of), logical) {
            (Type::Boolean, _) => (Kind::Boolean, Data::Boolean),
            (Type::Int, None) => (Kind::Int32, Data::Int),
            (Type::Int, Some("date")) => (Kind::Date, Data::Int),
            (Type::Long, None) => (Kind::Int64, Data::Long),
            (Type::Long, Some("timestamp-millis")) => (Kind::Timestamp(Timestamp::Microseconds), Data::Milliseconds),
            (Type::Long, Some("timestamp-micros")) => (Kind::Timestamp(Timestamp::Microseconds), Data::Long),
            (Type::Long, Some("local-timestamp-millis")) => (Kind::Timestamp(Timestamp::Civil), Data::Milliseconds),
            (Type::Long, Some("local-timestamp-micros")) => (Kind::Timestamp(Timestamp::Civil), Data::Long),
            (Type::Float, _) => (Kind::Float, Data::Float),
            (Type::Double, _) => (Kind::Double, Data::Double),
            (Type::String, _) => (Kind::String, Data::Sized),
            (Type::Bytes, None) => (Kind::Binary, Data::Sized),
            (Type::Fixed { size, .. }, None) => (Kind::Binary, Data::Fixed(*size)),
            (Type::Bytes | Type::Fixed { .. }, Some(logical)) => {
                let Some(kind) = decimal(logical) else { return unfit() };
                let size = match model.kind(of) {
                    Type::Fixed { size, .. } => Some(usize::try_from(*size).map_err(|_| "it is too long")?),
                    _ => None,
                };
                (kind, Data::Decimal { size })
            }
            (Type::Enum { symbols, default, .. }, _) => {
                let default = default.as_ref().and_then(|default| symbols.iter().position(|symbol| symbol == default));
                (Kind::String, Data::Enum { symbols: symbols.clone(), default })
            }
            (Type::Array(items), _) => {
                let (column, slot) = self.slot("element", *items, None)?;
                (Kind::List(Box::new(column)), Data::Array(Box::new(slot)))
            }
            (Type::Map(values), _) => {
                let (column, slot) = self.slot("value", *values, None)?;
                (Kind::Map(Box::new(column)), Data::Map(Box::new(slot)))
            }
            (Type::Record { fields, .. }, _) if !fields.is_empty() => {
                let slots = fields.iter().map(|field| self.slot(&field.name, field.of, Some(field)));
                let (columns, slots) = slots.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
                (Kind::Struct(columns), Data::Record(slots))
            }
            _ => return unfit(),
        })
    }
}

/// What is wrong with a field, or with the value as a whole.
fn at(name: &str, what: &str) -> String {
    if name.is_empty() { what.to_owned() } else { format!("field `{name}`: {what}") }
}

/// The column of `decimal(precision,scale)`, if there can be one.
fn decimal(logical: &str) -> Option<Kind> {
    let (precision, scale) = logical.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    let precision = precision.parse().ok().filter(|precision| *precision <= DIGITS_MAX)?;
    Some(Kind::Decimal { precision, scale: scale.parse().ok()? })
}

/// A cell that is no datum of its type, and the names around it, the innermost first.
struct Misfit {
    path: Vec<String>,
    what: String,
}

// === impl Slot ===

impl Slot {
    fn push(&self, datum: &mut Vec<u8>, cells: &mut Cells<'_>) -> Result<(), Misfit> {
        if cells.is_present() {
            datum.extend_from_slice(&self.before);
            return self.push_data(datum, cells).map_err(|mut misfit| {
                misfit.path.push(self.name.to_string());
                misfit
            });
        }
        datum.extend_from_slice(self.absent.as_ref().expect("a row has no null where its column has none"));
        Ok(())
    }

    fn push_data(&self, datum: &mut Vec<u8>, cells: &mut Cells<'_>) -> Result<(), Misfit> {
        let misfit = |what: String| Misfit { path: Vec::new(), what };
        match &self.data {
            Data::Boolean => datum.extend_from_slice(&cells.fixed::<1>()),
            Data::Int => push_number(datum, i64::from(i32::from_le_bytes(cells.fixed()))),
            Data::Long => push_number(datum, i64::from_le_bytes(cells.fixed())),
            Data::Milliseconds => push_number(datum, i64::from_le_bytes(cells.fixed()).div_euclid(1_000)),
            Data::Float => datum.extend_from_slice(&cells.fixed::<4>()),
            Data::Double => datum.extend_from_slice(&cells.fixed::<8>()),
            Data::Sized => push_sized(datum, cells.bytes()),
            Data::Fixed(size) => {
                let bytes = cells.bytes();
                if bytes.len() as u64 != *size {
                    return Err(misfit(format!("{} bytes are no fixed of {size}", bytes.len())));
                }
                datum.extend_from_slice(bytes);
            }
            Data::Decimal { size } => {
                let number = i128::from_le_bytes(cells.fixed());
                push_decimal(datum, number, *size).map_err(misfit)?;
            }
            Data::Enum { symbols, default } => {
                let text = cells.bytes();
                let index = symbols.iter().position(|symbol| symbol.as_bytes() == text).or(*default);
                let unknown = || misfit(format!("`{}` is no symbol of the enum", String::from_utf8_lossy(text)));
                let index = index.ok_or_else(unknown)?;
                push_number(datum, i64::try_from(index).expect("an enum has few symbols"));
            }
            Data::Array(items) => push_items(datum, cells, |datum, cells| items.push(datum, cells))?,
            Data::Map(values) => push_items(datum, cells, |datum, cells| {
                // a key is a cell that is always there
                cells.is_present();
                push_sized(datum, cells.bytes());
                values.push(datum, cells)
            })?,
            Data::Record(fields) => fields.iter().try_for_each(|field| field.push(datum, cells))?,
        }
        Ok(())
    }
}

/// One block of all items.
fn push_items(
    datum: &mut Vec<u8>,
    cells: &mut Cells<'_>,
    item: impl Fn(&mut Vec<u8>, &mut Cells<'_>) -> Result<(), Misfit>,
) -> Result<(), Misfit> {
    let count = cells.count();
    if count > 0 {
        push_number(datum, i64::try_from(count).expect("a row has few items"));
        for _ in 0..count {
            item(datum, cells)?;
        }
    }
    push_number(datum, 0);
    Ok(())
}

/// Two's complement, the highest byte first: in as few bytes as show the sign, or in `size`.
fn push_decimal(datum: &mut Vec<u8>, number: i128, size: Option<usize>) -> Result<(), String> {
    let bytes = number.to_be_bytes();
    let sign = if number < 0 { 0xff } else { 0 };
    let is_sign = |at: &usize| bytes[*at] == sign && (bytes[at + 1] ^ sign) < 0x80;
    let start = (0..bytes.len() - 1).take_while(is_sign).count();
    let short = &bytes[start..];
    let Some(size) = size else {
        push_sized(datum, short);
        return Ok(());
    };
    let fill = size.checked_sub(short.len()).ok_or_else(|| format!("{number} has more than {size} bytes"))?;
    datum.resize(datum.len() + fill, sign);
    datum.extend_from_slice(short);
    Ok(())
}
