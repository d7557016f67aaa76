//! One Avro schema out of a schema and those that it refers to: every type is defined where it is used first, and named
//! from there on, as the specification wants it of a schema that stands alone.
//!
//! Definitions get their namespace in full, because they move to a place that may have another one around it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Deepest nesting of the result; the parsers behind this one have no greater patience.
const DEPTH_MAX: u32 = 120;

/// The schema `text` with all that it takes from `references`.
pub(crate) fn inline(text: &str, references: &BTreeMap<String, String>) -> Result<String, String> {
    let mut definitions = Definitions::default();
    for (name, reference) in references {
        let reference = parse(reference).map_err(|why| format!("reference `{name}`: {why}"))?;
        definitions.collect(&reference, "");
    }
    let schema = parse(text)?;
    let whole = Inliner { definitions: &definitions, defined: BTreeSet::new() }.resolve(&schema, "", 0)?;
    Ok(whole.to_string())
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Named types of the references, with the namespace around each, by their full names.
#[derive(Default)]
struct Definitions(BTreeMap<String, (Value, String)>);

// === impl Definitions ===

impl Definitions {
    fn collect(&mut self, schema: &Value, namespace: &str) {
        match schema {
            Value::Array(branches) => branches.iter().for_each(|branch| self.collect(branch, namespace)),
            Value::Object(object) => {
                let own = match full_name(object, namespace) {
                    Some(name) => {
                        let own = namespace_of(&name).to_owned();
                        self.0.entry(name).or_insert_with(|| (schema.clone(), namespace.to_owned()));
                        own
                    }
                    None => namespace.to_owned(),
                };
                inner(object).into_iter().for_each(|schema| self.collect(schema, &own));
            }
            _ => {}
        }
    }
}

struct Inliner<'d> {
    definitions: &'d Definitions,
    /// Full names that stand in the result already.
    defined: BTreeSet<String>,
}

// === impl Inliner ===

impl Inliner<'_> {
    fn resolve(&mut self, schema: &Value, namespace: &str, depth: u32) -> Result<Value, String> {
        if depth > DEPTH_MAX {
            return Err("types are nested too deep".to_owned());
        }
        let depth = depth + 1;
        match schema {
            Value::String(name) => self.named(name, namespace, depth),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.resolve(branch, namespace, depth));
                branches.collect::<Result<_, _>>().map(Value::Array)
            }
            Value::Object(object) => self.object(object, namespace, depth),
            other => Ok(other.clone()),
        }
    }

    /// A type's name: of a definition that is still to come, the definition.
    fn named(&mut self, name: &str, namespace: &str, depth: u32) -> Result<Value, String> {
        let full = qualified(name, namespace);
        match self.definitions.0.get(&full) {
            Some((definition, around)) if !self.defined.contains(&full) => self.resolve(definition, around, depth),
            _ => Ok(Value::String(name.to_owned())),
        }
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: &str, depth: u32) -> Result<Value, String> {
        let mut object = object.clone();
        let mut own = namespace.to_owned();
        if let Some(full) = full_name(&object, namespace) {
            if !self.defined.insert(full.clone()) {
                return Ok(Value::String(full));
            }
            own = namespace_of(&full).to_owned();
            let simple = full.rsplit('.').next().unwrap_or_default().to_owned();
            object.insert("name".to_owned(), Value::String(simple));
            object.insert("namespace".to_owned(), Value::String(own.clone()));
            for field in object.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(of) = field.get_mut("type") {
                    *of = self.resolve(of, &own, depth)?;
                }
            }
            return Ok(Value::Object(object));
        }
        for key in ["type", "items", "values"] {
            if let Some(of) = object.get_mut(key) {
                *of = self.resolve(of, &own, depth)?;
            }
        }
        Ok(Value::Object(object))
    }
}

/// Of a definition of a type that has a name.
fn full_name(object: &Map<String, Value>, namespace: &str) -> Option<String> {
    let kind = object.get("type")?.as_str()?;
    let name = object.get("name")?.as_str()?;
    let own = object.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
    matches!(kind, "record" | "error" | "enum" | "fixed").then(|| qualified(name, own))
}

fn qualified(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn namespace_of(full: &str) -> &str {
    full.rsplit_once('.').map_or("", |(namespace, _)| namespace)
}

/// The schemas right inside of one.
fn inner(object: &Map<String, Value>) -> Vec<&Value> {
    let fields = object.get("fields").and_then(Value::as_array).into_iter().flatten();
    let fields = fields.filter_map(|field| field.get("type"));
    fields.chain(["type", "items", "values"].iter().filter_map(|key| object.get(*key))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
        texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn types_are_defined_where_they_are_used_first() {
        let place = r#"{"type":"record","name":"Place","namespace":"geo","fields":[{"name":"lat","type":"Degrees"}]}"#;
        let degrees = r#"{"type":"fixed","name":"geo.Degrees","size":2}"#;
        let click = r#"{"type":"record","name":"Click","namespace":"acme","fields":[
            {"name":"a","type":["null","geo.Place"]},{"name":"b","type":{"type":"array","items":"geo.Place"}},
            {"name":"c","type":"geo.Degrees"}]}"#;
        let whole = inline(click, &references(&[("geo.Place", place), ("geo.Degrees", degrees)])).unwrap();
        apache_avro::Schema::parse_str(&whole).unwrap_or_else(|error| panic!("{error}: {whole}"));
        assert_eq!(whole.matches(r#""size":2"#).count(), 1, "{whole}");
    }

    #[test]
    fn a_type_keeps_its_namespace_where_it_moves_to() {
        let plain = r#"{"type":"enum","name":"Plain","symbols":["A"]}"#;
        let outer =
            r#"{"type":"map","values":{"type":"record","name":"x.Outer","fields":[{"name":"p","type":"y.In"}]}}"#;
        let inner = r#"{"type":"record","name":"In","namespace":"y","fields":[{"name":"n","type":"Plain2"}]}"#;
        let plain2 = r#"{"type":"record","name":"y.Plain2","fields":[{"name":"e","type":"In3"}]}"#;
        let in3 = plain.replace("Plain", "y.In3");
        let whole = inline(outer, &references(&[("y.In", inner), ("y.Plain2", plain2), ("y.In3", &in3)])).unwrap();
        let direct = inline(r#"["null","Plain"]"#, &references(&[("Plain", plain)])).unwrap();
        for text in [whole, direct] {
            apache_avro::Schema::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        }
    }

    #[test]
    fn a_type_that_is_defined_already_is_named() {
        let pair =
            r#"{"type":"record","name":"Pair","fields":[{"name":"a","type":{"type":"fixed","name":"F","size":1}}]}"#;
        let text = r#"{"type":"record","name":"R","fields":[{"name":"f","type":"F"},{"name":"p","type":"Pair"}]}"#;
        let whole = inline(text, &references(&[("Pair", pair)])).unwrap();
        assert_eq!(whole.matches(r#""size":1"#).count(), 1, "{whole}");
        apache_avro::Schema::parse_str(&whole).unwrap_or_else(|error| panic!("{error}: {whole}"));
    }

    #[test]
    fn what_is_no_schema_is_an_error() {
        assert!(inline("{", &BTreeMap::new()).is_err());
        let why = inline("\"string\"", &references(&[("x", "[")])).unwrap_err();
        assert!(why.starts_with("reference `x`"), "{why}");
    }
}
