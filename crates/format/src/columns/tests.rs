//! Rows go into batches and come out of them as they were.

use super::row::{push_boolean, push_bytes, push_fixed, push_list, push_null, push_optional, push_struct};
use super::table::Table;
use super::types::{Field, Kind, Timestamp, fields_of, has_leaf, schema};
use super::{envelope, read};

fn fields() -> Vec<Field> {
    let inner = Kind::Struct(vec![Field::new("a", Kind::Boolean), Field::required("b", Kind::Int32)]);
    vec![
        Field::required("id", Kind::Int64),
        Field::new("at", Kind::Timestamp(Timestamp::Microseconds)),
        Field::new("text", Kind::String),
        Field::new("inner", inner.clone()),
        Field::new("inners", Kind::List(Box::new(Field::new("element", inner)))),
    ]
}

fn full(id: i64) -> Vec<u8> {
    let mut row = Vec::new();
    push_fixed(&mut row, id.to_le_bytes());
    push_fixed(&mut row, (-1i64).to_le_bytes());
    push_bytes(&mut row, "grüße".as_bytes());
    push_struct(&mut row);
    push_boolean(&mut row, true);
    push_fixed(&mut row, 7i32.to_le_bytes());
    push_list(&mut row, 2);
    push_null(&mut row);
    push_struct(&mut row);
    push_null(&mut row);
    push_fixed(&mut row, 8i32.to_le_bytes());
    row
}

fn sparse() -> Vec<u8> {
    let mut row = Vec::new();
    push_fixed(&mut row, 0i64.to_le_bytes());
    push_null(&mut row);
    push_optional(&mut row, Some(b""));
    push_null(&mut row);
    push_list(&mut row, 0);
    row
}

#[test]
fn rows_come_back_from_batches_as_they_were() {
    let fields = fields();
    let mut table = Table::new(&fields);
    for first in [1, 100] {
        let rows = [full(first), sparse(), full(first + 1), sparse()];
        rows.iter().for_each(|row| table.push(row));
        assert_eq!(table.row_bytes(), rows.iter().map(Vec::len).sum::<usize>());
        let batch = table.take();
        assert_eq!((batch.num_rows(), table.rows(), table.buffered_bytes()), (4, 0, 0));
        for (at, row) in rows.iter().enumerate() {
            let mut found = Vec::new();
            read::push_row(&mut found, &fields, &batch, at);
            assert_eq!(found, *row, "row {at}");
        }
    }
}

#[test]
fn columns_are_known_again_by_their_arrow_types() {
    assert_eq!(fields_of(schema(&fields()).fields()), Ok(fields()));
    assert_eq!(fields_of(schema(&envelope::FIELDS).fields()).as_ref(), Ok(&*envelope::FIELDS));
}

#[test]
fn leaves_are_found_by_their_paths() {
    for (path, found) in [("id", true), ("inner.b", true), ("inner", false), ("inners.a", false), ("id.x", false)] {
        assert_eq!(has_leaf(&fields(), path), found, "{path}");
    }
}
