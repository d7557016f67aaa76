//! Azure Blob Storage and Data Lake Storage Gen2, by the blob service.
//!
//! A create is Put Blob with `If-None-Match: *`, which answers 409 `BlobAlreadyExists`. One login: the account's key, a
//! shared access signature, a service principal, a workload identity, a managed identity; without any configured, what
//! the `AZURE_*` variables say, and the managed identity when they say nothing.
//!
//! Names of metadata are C# identifiers here, so the digest has an underscore where other clouds have a hyphen.

use std::sync::Arc;

use object_store::TagSet;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};

use super::{Clients, Dialect, http};
use crate::store::{AzureSettings, StoreError, StoreSettings};

static DIALECT: Dialect = Dialect {
    // 5,000 MiB: Put Blob since version 2019-12-12
    object_bytes_max: 5000 << 20,
    digest_metadata: "secor_records",
    keeps_backslashes: false,
    hint_denied: "check the credentials and that they allow reading, adding and listing blobs (a role with read and add \
                  of blobs, or a signature with the permissions r, c and l), and this host's clock",
    hint_credentials: "set `account_key`, `sas_token` or `client_id` with its secret in `[store.azure]`, or give the \
                       machine an identity",
    hint_elsewhere: "check `account` and `endpoint` in `[store.azure]`",
};

/// What of the settings the url may name.
pub(super) struct Place {
    pub(super) account: Option<String>,
    pub(super) endpoint: Option<String>,
}

pub(super) fn build(settings: &StoreSettings, container: &str, named: Place) -> Result<Clients, StoreError> {
    let azure = &settings.azure;
    let mut builder = log_in(azure).with_container_name(container).with_retry(http::retry());
    let account = azure
        .account
        .clone()
        .or(named.account)
        .or_else(|| builder.get_config_value(&AzureConfigKey::AccountName))
        .ok_or_else(|| {
            let hint = "set `account` in `[store.azure]`, or AZURE_STORAGE_ACCOUNT_NAME";
            settings.invalid("no storage account is named").with_hint(hint)
        })?;
    let endpoint = azure.endpoint.clone().or(named.endpoint);
    if let Some(endpoint) = endpoint.or_else(|| builder.get_config_value(&AzureConfigKey::Endpoint)) {
        builder = builder.with_endpoint(http::checked_endpoint(settings, &endpoint, azure.allow_http)?);
    }
    if let Some(host) = &azure.authority_host {
        builder = builder.with_authority_host(host);
    }
    if let Some(key) = &azure.encryption_key {
        builder = builder.with_encryption_key(key.expose());
    }
    let builder = builder
        .with_account(account)
        .with_use_emulator(false)
        .with_client_options(http::options(settings, azure.allow_http)?);
    let client = Arc::new(builder.build().map_err(|error| settings.invalid(error.to_string()))?);
    let (storage_class, tags) = (azure.tier.clone(), TagSet::default());
    Ok(Clients { reader: Arc::clone(&client) as _, writer: client, dialect: &DIALECT, storage_class, tags })
}

/// Set by App Service, Functions and Container Apps, which have no instance metadata.
const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";

/// The configured login, else the environment's.
fn log_in(azure: &AzureSettings) -> MicrosoftAzureBuilder {
    let new = MicrosoftAzureBuilder::new;
    let with_identity = || {
        let builder = azure.tenant_id.iter().fold(new(), |builder, id| builder.with_tenant_id(id));
        let builder = azure.client_id.iter().fold(builder, |builder, id| builder.with_client_id(id));
        // where App Service and Container Apps answer for their identities
        std::env::var(IDENTITY_ENDPOINT).ok().into_iter().fold(builder, MicrosoftAzureBuilder::with_msi_endpoint)
    };
    if let Some(key) = &azure.account_key {
        new().with_access_key(key.expose())
    } else if let Some(token) = &azure.sas_token {
        new().with_config(AzureConfigKey::SasKey, token.expose().trim_start_matches('?'))
    } else if let Some(file) = &azure.federated_token_file {
        with_identity().with_federated_token_file(file.display().to_string())
    } else if let Some(secret) = &azure.client_secret {
        with_identity().with_client_secret(secret.expose())
    } else if azure.client_id.is_some() {
        with_identity()
    } else {
        MicrosoftAzureBuilder::from_env()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Class, Secret};

    fn built(azure: AzureSettings, named: Place) -> Result<(), StoreError> {
        let settings = StoreSettings { azure, ..StoreSettings::at("azure://container/prefix") };
        build(&settings, "container", named).map(drop)
    }

    const NOWHERE: Place = Place { account: None, endpoint: None };

    #[test]
    fn an_account_and_one_login_are_enough() {
        let with = |edit: fn(&mut AzureSettings)| {
            let mut azure = AzureSettings { account: Some("lake".to_owned()), ..AzureSettings::default() };
            edit(&mut azure);
            built(azure, NOWHERE)
        };
        with(|azure| azure.account_key = Some(Secret::new("a2V5"))).expect("a key");
        with(|azure| azure.sas_token = Some(Secret::new("?sv=1&sig=2"))).expect("a signature");
        with(|azure| {
            (azure.tenant_id, azure.client_id) = (Some("t".to_owned()), Some("c".to_owned()));
            azure.client_secret = Some(Secret::new("s"));
        })
        .expect("a service principal");
        with(|azure| azure.client_id = Some("c".to_owned())).expect("a managed identity");
    }

    #[test]
    fn what_can_not_be_is_refused_with_a_reason() {
        let login = || AzureSettings { account_key: Some(Secret::new("a2V5")), ..AzureSettings::default() };
        let error = built(login(), NOWHERE).expect_err("no account");
        assert_eq!(error.class, Class::Invalid);
        assert!(error.to_string().contains("no storage account") && error.hint().contains("`account`"), "{error}");
        let endpoint = Place { account: Some("lake".to_owned()), endpoint: Some("http://127.0.0.1:1/lake".to_owned()) };
        let error = built(login(), endpoint).expect_err("no TLS");
        assert!(error.to_string().contains("no TLS"), "{error}");
        let not_base64 = AzureSettings {
            account: Some("lake".to_owned()),
            account_key: Some(Secret::new("hush hush")),
            ..AzureSettings::default()
        };
        let error = built(not_base64, NOWHERE).expect_err("no key");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}
