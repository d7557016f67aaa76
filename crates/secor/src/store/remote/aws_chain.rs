//! Credentials as Amazon's own tools find them: by the chain of Amazon's crate `aws-config`.
//!
//! Environment, shared files with profiles (keys, SSO, `source_profile`, `credential_process`), web identity, container
//! and instance metadata, in this order; then, if a role is configured, the role with those. All requests of the chain
//! go through object_store's HTTP client, so proxy and trusted certificates are those of the store.
//!
//! The chain is built when it is first asked, because building it reads files and may ask for tokens; a credential is
//! kept until shortly before its end ([`super::kept`]).

use std::error::Error as _;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http as smithy;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures::FutureExt;
use object_store::aws::AwsCredential;
use object_store::client::{self, HttpConnector, HttpErrorKind, ReqwestConnector};
use object_store::{CredentialProvider, Error};
use tokio::sync::OnceCell;

use super::errors::NoCredentials;
use super::http;
use super::kept::{Fetched, Kept};
use crate::store::{Class, S3Settings, StoreError, StoreSettings};

/// Of an assumed role, where none is configured.
const SESSION_NAME: &str = "secor";
/// For a request whose caller names no timeout.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The chain, and the credential that it gave last.
#[derive(Debug)]
pub(super) struct Chain {
    s3: S3Settings,
    region: String,
    http: Connector,
    provider: OnceCell<SharedCredentialsProvider>,
    kept: Kept<AwsCredential>,
}

/// object_store's HTTP client in the form that Amazon's crates want.
#[derive(Clone, Debug)]
struct Connector {
    client: client::HttpClient,
    timeout: Duration,
}

/// The region that the configured or default profile names. Reads files only.
pub(super) fn region_of_profile(s3: &S3Settings) -> Option<String> {
    let builder = ProfileFileRegionProvider::builder();
    let provider = s3.profile.iter().fold(builder, |builder, name| builder.profile_name(name)).build();
    // nothing in it waits: the files are read at once
    provider.region().now_or_never().flatten().map(|region| region.to_string())
}

// === impl Chain ===

impl Chain {
    pub(super) fn new(settings: &StoreSettings, region: &str) -> Result<Self, StoreError> {
        // the metadata of instances and containers has no TLS
        let client = ReqwestConnector::default().connect(&http::options(settings, true)?);
        let client = client.map_err(|error| settings.invalid(error.to_string()))?;
        Ok(Self {
            s3: settings.s3.clone(),
            region: region.to_owned(),
            http: Connector { client, timeout: TIMEOUT },
            provider: OnceCell::new(),
            kept: Kept::new(),
        })
    }

    async fn build(&self) -> SharedCredentialsProvider {
        let S3Settings { access_key_id, secret_access_key, session_token, profile, .. } = &self.s3;
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .http_client(self.http.clone());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        if let (Some(id), Some(secret)) = (access_key_id, secret_access_key) {
            let token = session_token.as_ref().map(|token| token.expose().to_owned());
            loader = loader.credentials_provider(Credentials::new(id, secret.expose(), token, None, "configuration"));
        }
        let config = loader.load().await;
        let base = config.credentials_provider().expect("a loaded configuration has a provider");
        match &self.s3.role_arn {
            Some(role) => self.role(role, config, base).await,
            None => base,
        }
    }

    async fn role(&self, role: &str, config: SdkConfig, base: SharedCredentialsProvider) -> SharedCredentialsProvider {
        let mut config = config.into_builder();
        config.set_endpoint_url(self.s3.sts_endpoint.clone());
        let name = self.s3.role_session_name.as_deref().unwrap_or(SESSION_NAME);
        let mut role = AssumeRoleProvider::builder(role).session_name(name).configure(&config.build());
        if let Some(id) = &self.s3.external_id {
            role = role.external_id(id);
        }
        SharedCredentialsProvider::new(role.build_from_provider(base).await)
    }

    async fn fetch(&self) -> Result<Fetched<AwsCredential>, NoCredentials> {
        let provider = self.provider.get_or_init(|| self.build()).await;
        let given = provider.provide_credentials().await.map_err(|error| explain(&error))?;
        let credential = AwsCredential {
            key_id: given.access_key_id().to_owned(),
            secret_key: given.secret_access_key().to_owned(),
            token: given.session_token().map(str::to_owned),
        };
        Ok(Fetched { credential, ends: given.expiry() })
    }
}

#[async_trait]
impl CredentialProvider for Chain {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<std::sync::Arc<AwsCredential>> {
        let credential = self.kept.get(self.fetch()).await;
        credential.map_err(|error| Error::Generic { store: "S3", source: Box::new(error) })
    }
}

/// Nothing found and a refusal are final; no answer is not.
fn explain(error: &CredentialsError) -> NoCredentials {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    let is_about = |words: &[&str]| causes.iter().any(|cause| words.iter().any(|word| cause.contains(word)));
    let class = match error {
        CredentialsError::InvalidConfiguration(_) => Class::Invalid,
        CredentialsError::ProviderTimedOut(_) => Class::Unavailable,
        _ if is_about(&["dispatch failure", "timeout", "timed out", "ServiceUnavailable", "Throttling"]) => {
            Class::Unavailable
        }
        _ => Class::Denied,
    };
    let what = match (error, causes.last()) {
        (CredentialsError::CredentialsNotLoaded(_), _) | (_, None) => {
            "nothing in the environment, the profiles, the container or the instance gives any".to_owned()
        }
        (_, Some(cause)) => cause.trim_end_matches('.').to_owned(),
    };
    NoCredentials { class, what }
}

// === impl Connector ===

impl Connector {
    async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let (parts, body) = request.into_parts();
        let body = Bytes::copy_from_slice(body.bytes().unwrap_or_default());
        let request = client::HttpRequest::from_parts(parts, body.into());
        let answer = async {
            let (parts, body) = self.client.execute(request).await?.into_parts();
            Ok((parts, body.bytes().await?))
        };
        let answer = tokio::time::timeout(self.timeout, answer).await;
        let answer = answer.map_err(|elapsed| ConnectorError::timeout(elapsed.into()))?;
        let (parts, body) = answer.map_err(|error: client::HttpError| match error.kind() {
            HttpErrorKind::Timeout => ConnectorError::timeout(error.into()),
            _ => ConnectorError::io(error.into()),
        })?;
        let response = ::http::Response::from_parts(parts, SdkBody::from(body));
        HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
    }
}

impl smithy::HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> smithy::HttpConnectorFuture {
        smithy::HttpConnectorFuture::new(self.clone().send(request))
    }
}

impl smithy::HttpClient for Connector {
    /// With the timeouts of the caller: instance metadata must answer within a second or so.
    fn http_connector(
        &self,
        settings: &smithy::HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> smithy::SharedHttpConnector {
        let timeout = settings.connect_timeout().unwrap_or_default() + settings.read_timeout().unwrap_or_default();
        let timeout = if timeout.is_zero() { self.timeout } else { timeout };
        smithy::SharedHttpConnector::new(Self { client: self.client.clone(), timeout })
    }
}
