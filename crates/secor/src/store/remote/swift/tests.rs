use super::*;
use crate::store::{Secret, SwiftSettings};

fn built(swift: SwiftSettings) -> Result<SwiftStore, StoreError> {
    let settings = StoreSettings { swift, ..StoreSettings::at("swift://archive/raw") };
    SwiftStore::new(&settings, Bucket { name: "archive".to_owned(), prefix: "raw".to_owned() })
}

fn login() -> SwiftSettings {
    SwiftSettings {
        auth_url: Some("https://swift/auth/v1.0".to_owned()),
        user: Some("account:user".to_owned()),
        password: Some(Secret::new("hush")),
        ..SwiftSettings::default()
    }
}

#[test]
fn keys_are_encoded_byte_by_byte() {
    let store = built(login()).expect("good settings");
    let path = store.path(Operation::Get, "t/dt=2014%3D/ü b").expect("a key");
    assert_eq!(path, "archive/raw/t/dt%3D2014%253D/%C3%BC%20b");
    assert!(store.path(Operation::Get, "t//b").is_err());
    assert!(!format!("{store:?}").contains("hush"));
}

#[test]
fn a_login_that_is_not_whole_is_refused_with_what_is_missing() {
    let refusal = |swift| built(swift).expect_err("not whole").to_string();
    assert!(refusal(SwiftSettings::default()).contains("`auth_url`"));
    assert!(refusal(SwiftSettings { password: None, ..login() }).contains("`password`"));
    let token = SwiftSettings { token: Some(Secret::new("t")), ..SwiftSettings::default() };
    assert!(refusal(token.clone()).contains("`storage_url`"));
    let with_account = SwiftSettings { storage_url: Some("https://swift/v1/a".to_owned()), ..token };
    assert!(built(with_account.clone()).is_ok());
    let plain = SwiftSettings { storage_url: Some("http://swift/v1/a".to_owned()), ..with_account };
    assert!(refusal(plain).contains("has no TLS"));
}

#[test]
fn objects_are_divided_above_the_size_of_a_segment() {
    assert_eq!(built(login()).expect("good settings").segments.object_bytes_max(), 1000 << 30);
    let small = SwiftSettings { segment_size: Some(1 << 20), ..login() };
    assert_eq!(built(small).expect("good settings").segments.object_bytes_max(), 1000 << 20);
}
