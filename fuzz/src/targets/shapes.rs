//! Shapes, written as the JSON that is stored: a field that is added later has a default there.

use secor_core::shape::Shape;
use serde_json::{Value, json};

/// The shape with these fields, and the defaults for the others.
///
/// # Panics
/// When `fields` is no object, or has what no shape has.
#[must_use]
pub fn shape(fields: Value) -> Shape {
    let mut shape = json!({
        "version": Shape::VERSION,
        "input": {},
        "timestamp": {},
        "time_zone": "UTC",
        "output_partitions": [],
        "output": {},
        "layout": "secor",
        "bad_records": "dead_letter",
    });
    let (Some(all), Value::Object(fields)) = (shape.as_object_mut(), fields) else { panic!("fields of an object") };
    all.extend(fields);
    serde_json::from_value(shape).expect("a shape")
}
