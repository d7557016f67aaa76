//! The pages say what the program can say: every code that it prints has its paragraph.

use std::fs;
use std::path::Path;

use secor_core::partition::RefusalCode;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_refusal_code_has_a_heading_in_the_operations_page_and_every_heading_a_code() {
    let page = page("operations.md");
    let refusals = page.split("\n## Refusals\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let headings: Vec<_> = refusals.expect("a section").lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let mut codes: Vec<_> = RefusalCode::ALL.iter().map(|code| code.as_str()).collect();
    let mut sorted = headings.clone();
    sorted.sort_unstable();
    codes.sort_unstable();
    assert_eq!(sorted, codes);
}
