//! Thrift's interface definitions (thrift.apache.org/docs/idl), as far as they name fields: structs, unions, exceptions,
//! typedefs, enums and includes. Constants and services are stepped over.
//!
//! A reader of its own: what is wanted of the language is small, and the library for it takes longer to compile than
//! everything else here together.

use std::collections::BTreeMap;

mod tokens;

use self::tokens::{Token, Tokens};
use crate::input::Step;

/// Everything that is declared in a file and in those that it includes.
#[derive(Default)]
pub(crate) struct Idl {
    structs: Vec<Vec<Field>>,
    enums: Vec<BTreeMap<i32, usize>>,
    /// What keys and values of maps are.
    maps: Vec<(Declared, Declared)>,
    /// What the items of lists and sets are.
    lists: Vec<Declared>,
    /// Names of structs of the file itself, in its order.
    own: Vec<String>,
    /// By full name: `file.Name`, those of the main file without a file.
    names: BTreeMap<String, Declared>,
    /// Names of the values of enums.
    pub symbols: Vec<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StructId(usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    Unknown,
    Base(Base),
    Struct(StructId),
    Enum(usize),
    Map(usize),
    /// Or a set.
    List(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Double,
    String,
    Binary,
    Uuid,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub id: i16,
    pub name: Box<str>,
    pub declared: Declared,
}

/// A type as it is written.
enum Written {
    Named(String),
    Base(Base),
    Map(Box<(Written, Written)>),
    /// Or a set.
    List(Box<Written>),
    Other,
}

struct WrittenField {
    id: i16,
    name: String,
    written: Written,
}

/// What a file declares, names not resolved.
#[derive(Default)]
struct File {
    includes: Vec<String>,
    typedefs: Vec<(String, Written)>,
    enums: Vec<(String, Vec<(String, i32)>)>,
    structs: Vec<(String, Vec<WrittenField>)>,
}

/// Typedefs of typedefs that are followed.
const TYPEDEFS_MAX: u32 = 64;

// === impl Declared ===

impl Declared {
    /// The enum that it is, beside the IDL that has its names.
    pub(crate) fn as_enum(self, idl: &Idl) -> Option<(&Idl, usize)> {
        if let Self::Enum(index) = self { Some((idl, index)) } else { None }
    }
}

// === impl Idl ===

impl Idl {
    /// `includes`: the other files by their paths, relative to the folder of this one.
    pub(crate) fn parse(text: &str, includes: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut files = BTreeMap::new();
        files.insert(String::new(), File::parse(text)?);
        for (path, text) in includes {
            files.insert(path.clone(), File::parse(text).map_err(|why| format!("`{path}`: {why}"))?);
        }
        let own = files[""].structs.iter().map(|(name, _)| name.clone()).collect();
        let mut idl = Self { own, ..Self::default() };
        for (path, file) in &files {
            idl.declare(path, file);
        }
        for (path, file) in &files {
            idl.define(path, file, &files)?;
        }
        Ok(idl)
    }

    /// The struct of that name; without one the only struct of the file.
    pub(crate) fn root(&self, name: Option<&str>) -> Result<StructId, String> {
        let name = match (name, &*self.own) {
            (Some(name), _) => name,
            (None, [only]) => only,
            (None, _) => return Err("not said which struct of several it is".to_owned()),
        };
        let found = match self.names.get(name) {
            Some(found) => Some(found),
            // a struct of an included file, by the file's name alone
            None => self.names.iter().find(|(full, _)| full.ends_with(&format!("/{name}"))).map(|(_, found)| found),
        };
        match found {
            Some(&Declared::Struct(id)) => Ok(id),
            _ => Err(format!("it has no struct `{name}`")),
        }
    }

    pub(crate) fn field(&self, id: StructId, field: i16) -> Option<&Field> {
        self.structs[id.0].iter().find(|it| it.id == field)
    }

    pub(crate) fn fields(&self, id: StructId) -> &[Field] {
        &self.structs[id.0]
    }

    /// Key and value.
    pub(crate) fn map(&self, map: usize) -> (Declared, Declared) {
        self.maps[map]
    }

    pub(crate) fn item_of(&self, list: usize) -> Declared {
        self.lists[list]
    }

    /// The name of an enum's number, as a symbol.
    pub(crate) fn symbol(&self, index: usize, number: i32) -> Option<usize> {
        self.enums[index].get(&number).copied()
    }

    /// Whether the struct can have a field at `path`.
    pub(crate) fn has(&self, id: StructId, path: &[Step<'_>]) -> bool {
        let [step, rest @ ..] = path else { return true };
        let field = self.structs[id.0].iter().find(|it| step.is_name(&it.name));
        field.is_some_and(|field| self.has_below(field.declared, rest))
    }

    fn has_below(&self, declared: Declared, path: &[Step<'_>]) -> bool {
        match (declared, path) {
            (_, []) => true,
            (Declared::Struct(id), _) => self.has(id, path),
            (Declared::Map(map), [_, rest @ ..]) => self.has_below(self.maps[map].1, rest),
            (Declared::List(list), [Step::Item, rest @ ..]) => self.has_below(self.lists[list], rest),
            _ => false,
        }
    }

    /// Names of structs and enums, before anything refers to them.
    fn declare(&mut self, path: &str, file: &File) {
        for (name, values) in &file.enums {
            let mut symbols = BTreeMap::new();
            for (value, number) in values {
                symbols.entry(*number).or_insert(self.symbols.len());
                self.symbols.push(value.as_str().into());
            }
            self.enums.push(symbols);
            self.names.insert(full_name(path, name), Declared::Enum(self.enums.len() - 1));
        }
        for (name, _) in &file.structs {
            self.structs.push(Vec::new());
            self.names.insert(full_name(path, name), Declared::Struct(StructId(self.structs.len() - 1)));
        }
    }

    fn define(&mut self, path: &str, file: &File, files: &BTreeMap<String, File>) -> Result<(), String> {
        for (name, fields) in &file.structs {
            let mut defined = Vec::new();
            for WrittenField { id, name, written } in fields {
                let declared = self.resolve(written, path, files, 0)?;
                defined.push(Field { id: *id, name: name.as_str().into(), declared });
            }
            if let Declared::Struct(id) = self.names[&full_name(path, name)] {
                self.structs[id.0] = defined;
            }
        }
        Ok(())
    }

    fn resolve(
        &mut self,
        written: &Written,
        path: &str,
        files: &BTreeMap<String, File>,
        typedefs: u32,
    ) -> Result<Declared, String> {
        let name = match written {
            Written::Other => return Ok(Declared::Unknown),
            Written::Base(base) => return Ok(Declared::Base(*base)),
            Written::Map(pair) => {
                let key = self.resolve(&pair.0, path, files, typedefs)?;
                let value = self.resolve(&pair.1, path, files, typedefs)?;
                self.maps.push((key, value));
                return Ok(Declared::Map(self.maps.len() - 1));
            }
            Written::List(item) => {
                let item = self.resolve(item, path, files, typedefs)?;
                self.lists.push(item);
                return Ok(Declared::List(self.lists.len() - 1));
            }
            Written::Named(name) => name,
        };
        // `shared.Thing` is Thing of the included file shared.thrift
        let (path, short) = match name.rsplit_once('.') {
            None => (path.to_owned(), name.as_str()),
            Some((prefix, short)) => {
                let include = files[path].includes.iter().find(|include| stem(include) == prefix);
                let include = include.ok_or_else(|| format!("type `{name}` is of a file that is not included"))?;
                (join(path, include), short)
            }
        };
        if let Some(&declared) = self.names.get(&full_name(&path, short)) {
            return Ok(declared);
        }
        let file = files.get(&path).ok_or_else(|| format!("included file `{path}` is not given"))?;
        match file.typedefs.iter().find(|(typedef, _)| typedef == short) {
            Some((_, written)) if typedefs < TYPEDEFS_MAX => self.resolve(written, &path, files, typedefs + 1),
            _ => Err(format!("type `{name}` is not declared")),
        }
    }
}

/// The files that an IDL includes, relative to the folder of the file at `path`, itself relative to the first.
pub(crate) fn includes(path: &str, text: &str) -> Result<Vec<String>, String> {
    Ok(File::parse(text)?.includes.iter().map(|include| join(path, include)).collect())
}

fn full_name(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{}.{name}", stem(path)) }
}

/// `shared` of `common/shared.thrift`.
fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_suffix(".thrift").unwrap_or(file)
}

/// `include` as the file at `path` means it.
fn join(path: &str, include: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in include.split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

// === impl File ===

impl File {
    fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Tokens::new(text);
        let mut file = Self::default();
        while let Some(word) = tokens.word_or_end()? {
            match word.as_str() {
                "include" => file.includes.push(tokens.literal()?),
                "cpp_include" => drop(tokens.literal()?),
                "namespace" => {
                    tokens.next()?;
                    tokens.next()?;
                }
                "const" => {
                    written_type(&mut tokens)?;
                    tokens.word()?;
                    tokens.expect('=')?;
                    tokens.skip_value()?;
                }
                "typedef" => {
                    let written = written_type(&mut tokens)?;
                    file.typedefs.push((tokens.word()?, written));
                }
                "enum" => file.enums.push((tokens.word()?, enum_values(&mut tokens)?)),
                "struct" | "union" | "exception" => {
                    file.structs.push((tokens.word()?, written_fields(&mut tokens)?));
                }
                "service" | "senum" => {
                    while !tokens.next_is('{') {
                        tokens.next()?;
                    }
                    tokens.skip_value()?;
                }
                other => return Err(tokens.error(&format!("`{other}` begins no definition"))),
            }
            tokens.skip_annotations()?;
            tokens.skip_separator();
        }
        Ok(file)
    }
}

fn enum_values(tokens: &mut Tokens<'_>) -> Result<Vec<(String, i32)>, String> {
    let mut values = Vec::new();
    let mut next = 0;
    tokens.expect('{')?;
    while !tokens.take('}') {
        let name = tokens.word()?;
        if tokens.take('=') {
            next = i32::try_from(tokens.integer()?).map_err(|_| tokens.error("a number beyond 32 bits"))?;
        }
        values.push((name, next));
        next = next.wrapping_add(1);
        tokens.skip_annotations()?;
        tokens.skip_separator();
    }
    Ok(values)
}

fn written_fields(tokens: &mut Tokens<'_>) -> Result<Vec<WrittenField>, String> {
    let mut fields = Vec::new();
    // fields without an id get negative ones, as the compiler does
    let mut implicit = 0;
    if tokens.next_is_word("xsd_all") {
        tokens.word()?;
    }
    tokens.expect('{')?;
    while !tokens.take('}') {
        let id = if let Some(Token::Integer(_)) = tokens.peek()? {
            let id = i16::try_from(tokens.integer()?).map_err(|_| tokens.error("a field id beyond 16 bits"))?;
            tokens.expect(':')?;
            id
        } else {
            implicit -= 1;
            implicit
        };
        if tokens.next_is_word("required") || tokens.next_is_word("optional") {
            tokens.word()?;
        }
        let written = written_type(tokens)?;
        tokens.take('&');
        let name = tokens.word()?;
        if tokens.take('=') {
            tokens.skip_value()?;
        }
        for xsd in ["xsd_optional", "xsd_nillable"] {
            if tokens.next_is_word(xsd) {
                tokens.word()?;
            }
        }
        tokens.skip_annotations()?;
        tokens.skip_separator();
        fields.push(WrittenField { id, name, written });
    }
    Ok(fields)
}

fn written_type(tokens: &mut Tokens<'_>) -> Result<Written, String> {
    let name = tokens.word()?;
    let written = match name.as_str() {
        "map" | "list" | "set" => {
            if tokens.next_is_word("cpp_type") {
                tokens.word()?;
                tokens.literal()?;
            }
            tokens.expect('<')?;
            let inner = written_type(tokens)?;
            let written = match name.as_str() {
                "map" => {
                    tokens.expect(',')?;
                    Written::Map(Box::new((inner, written_type(tokens)?)))
                }
                _ => Written::List(Box::new(inner)),
            };
            tokens.expect('>')?;
            written
        }
        "bool" => Written::Base(Base::Bool),
        "byte" | "i8" => Written::Base(Base::Int8),
        "i16" => Written::Base(Base::Int16),
        "i32" => Written::Base(Base::Int32),
        "i64" => Written::Base(Base::Int64),
        "double" => Written::Base(Base::Double),
        "string" => Written::Base(Base::String),
        "binary" => Written::Base(Base::Binary),
        "uuid" => Written::Base(Base::Uuid),
        "slist" | "void" => Written::Other,
        _ => Written::Named(name),
    };
    tokens.skip_annotations()?;
    Ok(written)
}
