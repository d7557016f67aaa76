//! Goal: the bytes of a file stay what they are, from version to version.
//! Method: rows drawn from a seed, of all types, in several row groups and stripes, without a compressor, whose bytes
//! another version may change. A golden file that is not there is written with `SECOR_BLESS=1`; one that is there never.

use std::fs;
use std::path::Path;

use crate::values::{Draw, all_types, batch, schema, union_of, write};
use arrow_schema::{DataType, UnionMode};
use secor_orc::{Compression, Options};

#[test]
fn bytes_stay() {
    let mut types = all_types();
    types.push(("union", union_of(&[DataType::Int64, DataType::Utf8], UnionMode::Dense)));
    let options = Options {
        compression: Compression::None,
        group_rows: 20,
        stripe_rows: 70,
        bloom_columns: vec!["string".to_owned(), "int".to_owned()],
        ..Options::default()
    };
    let rows = batch(&mut Draw::new(0), &types, 100, 20);
    let written = write(&[rows], &schema(&types), options);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/all_types.orc");
    if crate::environment("SECOR_BLESS").is_some() && !path.exists() {
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("the folder can be made");
        fs::write(&path, &written).expect("the folder takes files");
    }
    let golden = fs::read(&path).expect("the golden file is there");
    assert!(written == golden, "all_types.orc has other bytes than the golden file");
}
