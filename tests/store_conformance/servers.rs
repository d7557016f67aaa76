//! Settings that lead to the shared servers, below prefixes that no other test of this run uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use secor::store::{AzureSettings, GsSettings, S3Settings, Secret, Store, StoreSettings, SwiftSettings};
use tempfile::TempDir;

use super::harness::{Azure, Gcs, S3, Swift};

/// The clouds, by the name of their url.
pub const CLOUDS: [fn(&str) -> StoreSettings; 4] = [s3, gcs, azure, swift];

/// Those of them that can hold a ledger.
pub const EXCLUSIVE: [fn(&str) -> StoreSettings; 3] = [s3, gcs, azure];

pub fn open(settings: &StoreSettings) -> Arc<dyn Store> {
    secor::store::open(settings).expect("good settings")
}

pub fn file(folder: &TempDir) -> StoreSettings {
    StoreSettings::at(format!("file://{}", folder.path().display()))
}

pub fn s3(prefix: &str) -> StoreSettings {
    let server = S3::shared();
    StoreSettings {
        s3: S3Settings {
            endpoint: Some(server.endpoint()),
            region: Some(server.region.to_owned()),
            access_key_id: Some(server.access_key_id.to_owned()),
            secret_access_key: Some(Secret::new(server.secret_access_key)),
            allow_http: true,
            ..S3Settings::default()
        },
        ..StoreSettings::at(format!("s3://{}/{}", server.bucket, unique(prefix)))
    }
}

pub fn gcs(prefix: &str) -> StoreSettings {
    let server = Gcs::shared();
    StoreSettings {
        gs: GsSettings {
            endpoint: Some(server.endpoint()),
            access_token: Some(Secret::new(server.token)),
            allow_http: true,
            ..GsSettings::default()
        },
        ..StoreSettings::at(format!("gs://archive/{}", unique(prefix)))
    }
}

pub fn azure(prefix: &str) -> StoreSettings {
    let server = Azure::shared();
    StoreSettings {
        azure: AzureSettings {
            account: Some(server.account.to_owned()),
            endpoint: Some(server.endpoint()),
            account_key: Some(Secret::new(server.account_key)),
            allow_http: true,
            ..AzureSettings::default()
        },
        ..StoreSettings::at(format!("azure://archive/{}", unique(prefix)))
    }
}

pub fn swift(prefix: &str) -> StoreSettings {
    let server = Swift::shared();
    StoreSettings {
        swift: SwiftSettings {
            auth_url: Some(server.auth_url()),
            user: Some(server.user.to_owned()),
            password: Some(Secret::new(server.key)),
            allow_http: true,
            ..SwiftSettings::default()
        },
        ..StoreSettings::at(format!("swift://archive/{}", unique(prefix)))
    }
}

/// The same settings with another endpoint, which may not have the path of this one.
pub fn at(settings: &StoreSettings, endpoint: &str) -> StoreSettings {
    let mut settings = settings.clone();
    let endpoints = [
        &mut settings.s3.endpoint,
        &mut settings.gs.endpoint,
        &mut settings.azure.endpoint,
        // the account's address follows: the server names the host that it was asked as
        &mut settings.swift.auth_url,
    ];
    for there in endpoints.into_iter().flatten() {
        let path = there.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default();
        *there = format!("{endpoint}{path}");
    }
    settings
}

/// `http://host:port` of the server behind the settings.
pub fn endpoint(settings: &StoreSettings) -> String {
    let StoreSettings { s3, gs, azure, swift, .. } = settings;
    let endpoints = [&s3.endpoint, &gs.endpoint, &azure.endpoint, &swift.auth_url];
    let endpoint = endpoints.into_iter().flatten().next();
    endpoint.expect("the lab has an endpoint").splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("conformance/{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
