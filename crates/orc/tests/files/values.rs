//! What the tests of whole files share: columns of all types, drawn from a seed, and a plain model of their values.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit, UnionFields, UnionMode};
use serde_json::{Value, json};

/// Draws what a test needs; the same seed draws the same.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit.max(1)
    }
}

/// How the values of a column come: all encodings of integers, dictionaries and direct texts should be met.
#[derive(Clone, Copy)]
enum Habit {
    Random,
    Small,
    Repeated,
    Rising,
    Extreme,
}

/// An array of any type that the writer takes, with `nulls` in a hundred.
pub fn array(draw: &mut Draw, data_type: &DataType, rows: usize, nulls: usize) -> ArrayRef {
    let habits = [Habit::Random, Habit::Small, Habit::Repeated, Habit::Rising, Habit::Extreme];
    let habit = habits[draw.below(habits.len())];
    let present = present(draw, rows, nulls);
    match data_type {
        DataType::Boolean => {
            let values = (0..rows).map(|_| integer(draw, habit, 0) & 1 == 1).collect::<Vec<_>>();
            Arc::new(BooleanArray::new(values.into(), present))
        }
        DataType::Int8 => primitive::<Int8Type>(draw, habit, rows, present, |v| v as i8),
        DataType::Int16 => primitive::<Int16Type>(draw, habit, rows, present, |v| v as i16),
        DataType::Int32 => primitive::<Int32Type>(draw, habit, rows, present, |v| v as i32),
        DataType::Int64 => primitive::<Int64Type>(draw, habit, rows, present, |v| v),
        DataType::UInt8 => primitive::<UInt8Type>(draw, habit, rows, present, |v| v as u8),
        DataType::UInt16 => primitive::<UInt16Type>(draw, habit, rows, present, |v| v as u16),
        DataType::UInt32 => primitive::<UInt32Type>(draw, habit, rows, present, |v| v as u32),
        DataType::UInt64 => primitive::<UInt64Type>(draw, habit, rows, present, |v| v as u64),
        DataType::Float32 => primitive::<Float32Type>(draw, habit, rows, present, |v| float(v) as f32),
        DataType::Float64 => primitive::<Float64Type>(draw, habit, rows, present, float),
        DataType::Date32 => primitive::<Date32Type>(draw, habit, rows, present, |v| (v % 700_000) as i32),
        DataType::Timestamp(unit, zone) => timestamps(draw, habit, rows, present, *unit, zone.clone()),
        DataType::Decimal128(precision, scale) => {
            let limit = 10_i128.pow((*precision).into());
            let value = |v: i64| (i128::from(v) * if precision > &18 { 10_000_000_000_000_000_003 } else { 1 }) % limit;
            let values = (0..rows).map(|i| value(integer(draw, habit, i))).collect::<Vec<_>>();
            let array = Decimal128Array::new(values.into(), present);
            Arc::new(array.with_precision_and_scale(*precision, *scale).expect("what is drawn fits its type"))
        }
        DataType::Utf8 => Arc::new(texts(draw, habit, present.as_ref(), rows).collect::<StringArray>()),
        DataType::LargeUtf8 => Arc::new(texts(draw, habit, present.as_ref(), rows).collect::<LargeStringArray>()),
        DataType::Utf8View => Arc::new(texts(draw, habit, present.as_ref(), rows).collect::<StringViewArray>()),
        DataType::Binary => {
            let bytes = texts(draw, habit, present.as_ref(), rows).map(|text| text.map(String::into_bytes));
            Arc::new(bytes.collect::<BinaryArray>())
        }
        DataType::FixedSizeBinary(4) => {
            let values = (0..rows).map(|i| (integer(draw, habit, i) as u32).to_be_bytes()).collect::<Vec<_>>();
            Arc::new(FixedSizeBinaryArray::new(4, values.concat().into(), present))
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().map(|field| array(draw, field.data_type(), rows, nulls)).collect();
            Arc::new(StructArray::new(fields.clone(), columns, present))
        }
        DataType::List(item) => {
            let offsets = offsets(draw, rows);
            let values = array(draw, item.data_type(), offsets[rows] as usize, nulls);
            Arc::new(ListArray::new(item.clone(), offsets, values, present))
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else { panic!("entries are structs") };
            let offsets = offsets(draw, rows);
            let items = offsets[rows] as usize;
            // readers make dictionaries of maps: keys are distinct, and in order also when sorted
            let keys = Arc::new((0..items).map(|i| Some(format!("key {i:06}"))).collect::<StringArray>());
            let values = array(draw, fields[1].data_type(), items, nulls);
            let entries_array = StructArray::new(fields.clone(), vec![keys, values], None);
            Arc::new(MapArray::new(entries.clone(), offsets, entries_array, present, false))
        }
        DataType::Union(fields, mode) => union(draw, fields, *mode, rows, nulls),
        other => panic!("{other}"),
    }
}

fn present(draw: &mut Draw, rows: usize, nulls: usize) -> Option<NullBuffer> {
    (nulls > 0 && draw.below(5) > 0).then(|| (0..rows).map(|_| draw.below(100) >= nulls).collect::<Vec<bool>>().into())
}

fn integer(draw: &mut Draw, habit: Habit, at: usize) -> i64 {
    match habit {
        Habit::Random => draw.next() as i64 >> draw.below(64),
        Habit::Small => draw.below(10) as i64 - 3,
        Habit::Repeated => (at / 37) as i64 * 1_000_003,
        Habit::Rising => at as i64 * 977 + draw.below(5) as i64,
        Habit::Extreme => [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX][draw.below(7)],
    }
}

fn float(value: i64) -> f64 {
    match value {
        i64::MIN => f64::NEG_INFINITY,
        i64::MAX => f64::INFINITY,
        -1 => -0.0,
        value => value as f64 / 8.0,
    }
}

fn primitive<T: ArrowPrimitiveType>(
    draw: &mut Draw,
    habit: Habit,
    rows: usize,
    present: Option<NullBuffer>,
    cast: impl Fn(i64) -> T::Native,
) -> ArrayRef {
    let values = (0..rows).map(|i| cast(integer(draw, habit, i))).collect::<Vec<_>>();
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), present))
}

/// Within what nanoseconds can tell, so that readers that count in them agree; none that ORC cannot tell.
fn timestamps(
    draw: &mut Draw,
    habit: Habit,
    rows: usize,
    present: Option<NullBuffer>,
    unit: TimeUnit,
    zone: Option<Arc<str>>,
) -> ArrayRef {
    let nanos_per_unit = [1_000_000_000, 1_000_000, 1_000, 1][unit as usize];
    let values = (0..rows).map(|i| {
        let scale = [1, 1_000, 1_000_000][draw.below(3)];
        let nanos = match integer(draw, habit, i) % (i64::MAX / 2 / scale) * scale {
            lost @ -999_000_000..0 => lost - 1_000_000_000,
            nanos => nanos,
        };
        match nanos.div_euclid(nanos_per_unit) {
            value if secor_orc::holds_timestamp((value * nanos_per_unit).into()) => value,
            _ => 0,
        }
    });
    let values = ScalarBuffer::from(values.collect::<Vec<_>>());
    match unit {
        TimeUnit::Second => Arc::new(TimestampSecondArray::new(values, present).with_timezone_opt(zone)),
        TimeUnit::Millisecond => Arc::new(TimestampMillisecondArray::new(values, present).with_timezone_opt(zone)),
        TimeUnit::Microsecond => Arc::new(TimestampMicrosecondArray::new(values, present).with_timezone_opt(zone)),
        TimeUnit::Nanosecond => Arc::new(TimestampNanosecondArray::new(values, present).with_timezone_opt(zone)),
    }
}

fn texts<'a>(
    draw: &'a mut Draw,
    habit: Habit,
    present: Option<&'a NullBuffer>,
    rows: usize,
) -> impl Iterator<Item = Option<String>> + 'a {
    (0..rows).map(move |i| {
        let text = match (habit, draw.below(20)) {
            (_, 0) => String::new(),
            (_, 1) => "grüße, 日本 🎉".to_owned(),
            (Habit::Small | Habit::Repeated, _) => format!("text {}", draw.below(30)),
            (Habit::Extreme, 2) => "long text ".repeat(400),
            _ => format!("{:x}", integer(draw, habit, i)),
        };
        present.is_none_or(|present| present.is_valid(i)).then_some(text)
    })
}

fn offsets(draw: &mut Draw, rows: usize) -> OffsetBuffer<i32> {
    OffsetBuffer::from_lengths((0..rows).map(|_| match draw.below(10) {
        0..5 => 0,
        9 => draw.below(7),
        few => few - 4,
    }))
}

fn union(draw: &mut Draw, fields: &UnionFields, mode: UnionMode, rows: usize, nulls: usize) -> ArrayRef {
    let ids: Vec<i8> = fields.iter().map(|(id, _)| id).collect();
    let type_ids: Vec<i8> = (0..rows).map(|_| ids[draw.below(ids.len())]).collect();
    let (mut counts, mut offsets) = (vec![0; 128], Vec::new());
    for id in &type_ids {
        offsets.push(counts[*id as usize]);
        counts[*id as usize] += 1;
    }
    let is_dense = mode == UnionMode::Dense;
    let children = fields.iter().map(|(id, field)| {
        let rows = if is_dense { counts[id as usize] as usize } else { rows };
        array(draw, field.data_type(), rows, nulls)
    });
    let children = children.collect();
    let offsets = is_dense.then(|| offsets.into());
    Arc::new(
        UnionArray::try_new(fields.clone(), type_ids.into(), offsets, children).expect("what is drawn fits its type"),
    )
}

pub fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, true))
}

pub fn map(values: DataType) -> DataType {
    let entries = Fields::from(vec![Field::new("keys", DataType::Utf8, false), Field::new("values", values, true)]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

pub fn union_of(types: &[DataType], mode: UnionMode) -> DataType {
    let fields =
        types.iter().enumerate().map(|(i, t)| (3 * i as i8, Arc::new(Field::new(format!("v{i}"), t.clone(), true))));
    DataType::Union(fields.collect(), mode)
}

/// A column of every type, and of types within types.
pub fn all_types() -> Vec<(&'static str, DataType)> {
    use DataType::*;
    let pair = |a, b| Struct(vec![Field::new("a", a, true), Field::new("b", b, true)].into());
    let utc = || Some("UTC".into());
    vec![
        ("boolean", Boolean),
        ("tinyint", Int8),
        ("smallint", Int16),
        ("int", Int32),
        ("bigint", Int64),
        ("unsigned_byte", UInt8),
        ("unsigned_short", UInt16),
        ("unsigned_int", UInt32),
        ("unsigned_long", UInt64),
        ("float", Float32),
        ("double", Float64),
        ("date", Date32),
        ("seconds", Timestamp(TimeUnit::Second, None)),
        ("millis", Timestamp(TimeUnit::Millisecond, utc())),
        ("micros", Timestamp(TimeUnit::Microsecond, None)),
        ("nanos", Timestamp(TimeUnit::Nanosecond, None)),
        ("instant", Timestamp(TimeUnit::Nanosecond, utc())),
        ("decimal_small", Decimal128(9, 2)),
        ("decimal_large", Decimal128(38, 10)),
        ("string", Utf8),
        ("large_string", LargeUtf8),
        ("string_view", Utf8View),
        ("binary", Binary),
        ("fixed", FixedSizeBinary(4)),
        ("struct", pair(Int64, Utf8)),
        ("list", List(item(Int32))),
        ("map", map(Int64)),
        ("lists_of_structs_of_maps", List(item(pair(map(Float64), List(item(Utf8)))))),
        ("map_of_structs", map(pair(Boolean, Decimal128(20, 3)))),
        ("struct_of_structs", pair(pair(Date32, Binary), Int8)),
    ]
}

pub fn schema(types: &[(&str, DataType)]) -> Schema {
    Schema::new(types.iter().map(|(name, t)| Field::new(*name, t.clone(), true)).collect::<Vec<_>>())
}

pub fn batch(draw: &mut Draw, types: &[(&str, DataType)], rows: usize, nulls: usize) -> RecordBatch {
    let columns = types.iter().map(|(_, t)| array(draw, t, rows, nulls)).collect();
    RecordBatch::try_new(schema(types).into(), columns).expect("what is drawn fits its type")
}

pub fn write(batches: &[RecordBatch], schema: &Schema, options: secor_orc::Options) -> Vec<u8> {
    let (mut writer, mut out) =
        (secor_orc::Writer::new(schema, options).expect("what is drawn fits its type"), Vec::new());
    batches.iter().for_each(|batch| writer.write(batch, &mut out));
    writer.finish(&mut out);
    out
}

/// A value as all readers can be compared: times in nanoseconds, dates in days, floats by their bits, bytes in hex,
/// decimals in digits, maps as lists of pairs, numbers as text where JSON's would lose digits.
pub fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let text = |v: &dyn ToString| json!(v.to_string());
    macro_rules! integer {
        ($t:ty) => {
            text(&array.as_primitive::<$t>().value(row))
        };
    }
    match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Int8 => integer!(Int8Type),
        DataType::Int16 => integer!(Int16Type),
        DataType::Int32 => integer!(Int32Type),
        DataType::Int64 => integer!(Int64Type),
        DataType::UInt8 => integer!(UInt8Type),
        DataType::UInt16 => integer!(UInt16Type),
        DataType::UInt32 => integer!(UInt32Type),
        DataType::UInt64 => integer!(UInt64Type),
        DataType::Date32 => integer!(Date32Type),
        DataType::Float32 => {
            json!(format!("{:016x}", f64::from(array.as_primitive::<Float32Type>().value(row)).to_bits()))
        }
        DataType::Float64 => json!(format!("{:016x}", array.as_primitive::<Float64Type>().value(row).to_bits())),
        DataType::Timestamp(TimeUnit::Second, _) => {
            text(&(i128::from(array.as_primitive::<TimestampSecondType>().value(row)) * 1_000_000_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            text(&(i128::from(array.as_primitive::<TimestampMillisecondType>().value(row)) * 1_000_000))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            text(&(i128::from(array.as_primitive::<TimestampMicrosecondType>().value(row)) * 1_000))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => integer!(TimestampNanosecondType),
        DataType::Decimal128(_, 0) => integer!(Decimal128Type),
        DataType::Decimal128(..) => json!(array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Utf8 => json!(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => json!(array.as_string::<i64>().value(row)),
        DataType::Utf8View => json!(array.as_string_view().value(row)),
        DataType::Binary => hex(array.as_binary::<i32>().value(row)),
        DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(row)),
        DataType::Struct(_) => array.as_struct().columns().iter().map(|column| value(column, row)).collect(),
        DataType::List(_) => values(&array.as_list::<i32>().value(row)),
        DataType::Map(..) => values(&array.as_map().value(row)),
        DataType::Union(..) => {
            let union = array.as_union();
            value(union.child(union.type_id(row)), union.value_offset(row))
        }
        other => panic!("{other}"),
    }
}

fn values(array: &dyn Array) -> Value {
    (0..array.len()).map(|row| value(array, row)).collect()
}

fn hex(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// All rows.
pub fn rows(batches: &[RecordBatch]) -> Vec<Value> {
    let row = |batch: &RecordBatch, row| batch.columns().iter().map(|column| value(column, row)).collect();
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |i| row(batch, i))).collect()
}
