//! One request to Swift, and what its answer means.
//!
//! A token is taken from [`login`](super::login), renewed ahead of its end, and once more when the server no longer
//! knows it (401). Requests without a body are repeated after a hiccup; what creates is not: the caller looks first.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use object_store::PutPayload;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, ReqwestConnector,
};

use super::super::errors::NoCredentials;
use super::super::kept::Kept;
use super::super::pace::Pace;
use super::super::{REQUEST_TIMEOUT, http as wire};
use super::large::hex_md5;
use super::login::{HINT_LOGIN, Login, Session};
use crate::store::{Backoff, Class, Operation, StoreError, StoreSettings};

/// Repetitions of a request without a body after a hiccup; an outage is the caller's to sit out.
const REPEATS_MAX: usize = 2;
const REPEAT_BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), max: Duration::from_secs(1) };
/// Bytes of a refusal's document that are read for the error.
const DOCUMENT_BYTES_MAX: usize = 4096;

const HINT_DENIED: &str = "check the login in `[store.swift]`, and that it may read, list and write the container \
                           (`X-Container-Read` with `.rlistings`, `X-Container-Write`)";
const HINT_QUOTA: &str = "raise the quota of the container or the account, or lower `segment_size`";

pub(super) struct Client {
    http: HttpClient,
    login: Login,
    session: Kept<Session>,
    pace: Pace,
    url: Arc<str>,
}

/// A request, but for the token and the address of the account.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) operation: Operation,
    /// For errors.
    pub(super) key: String,
    /// Container, object, query: encoded, without a slash at its beginning.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: HttpRequestBody,
    /// How long an answer may take.
    pub(super) limit: Duration,
}

// === impl Client ===

impl Client {
    pub(super) fn new(settings: &StoreSettings) -> Result<Self, StoreError> {
        let login = Login::new(settings)?;
        // what may go without TLS was checked where it was written
        let options = wire::options(settings, settings.swift.allow_http)?;
        let http = ReqwestConnector::default().connect(&options);
        let http = http.map_err(|error| settings.invalid(error.to_string()))?;
        let url = Arc::from(settings.url.as_str());
        Ok(Self { http, login, session: Kept::new(), pace: Pace::default(), url })
    }

    /// PUTs what has its MD5 computed first: on a thread that may block.
    pub(super) async fn put(&self, call: Call, payload: PutPayload) -> Result<HttpResponse, StoreError> {
        let etag = hex_md5(payload.iter());
        self.put_hashed(call, payload, &etag).await
    }

    pub(super) async fn put_hashed(
        &self,
        mut call: Call,
        payload: PutPayload,
        etag: &str,
    ) -> Result<HttpResponse, StoreError> {
        call.set(http::header::ETAG, super::ascii(etag));
        self.send_put(Call { body: payload.into(), ..call }).await
    }

    /// PUTs; an answer that is no success is an error with its status.
    pub(super) async fn send_put(&self, call: Call) -> Result<HttpResponse, StoreError> {
        let answer = self.send(&call).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.refused(&call, answer).await) }
    }

    /// The answer, whatever its status is.
    pub(super) async fn send(&self, call: &Call) -> Result<HttpResponse, StoreError> {
        let mut session = self.session(call).await?;
        let mut is_renewed = false;
        let mut pauses = REPEAT_BACKOFF.pauses().take(REPEATS_MAX);
        loop {
            self.pace.wait().await;
            let request = self.request(&session, call)?;
            let answer = tokio::time::timeout(call.limit, self.http.execute(request)).await.map_err(|_| {
                self.error(call, Class::Unavailable, format!("no answer within {} s", call.limit.as_secs()))
            })?;
            let status = answer.as_ref().ok().map(HttpResponse::status);
            self.pace.learn(status.is_some_and(says_slow_down));
            if status == Some(StatusCode::UNAUTHORIZED) && !is_renewed && self.login.can_renew() {
                is_renewed = true;
                self.session.forget(&session).await;
                session = self.session(call).await?;
                continue;
            }
            let is_hiccup = status.is_none_or(|status| status.is_server_error()) && call.method != Method::PUT;
            if is_hiccup && let Some(pause) = pauses.next() {
                tokio::time::sleep(pause).await;
                continue;
            }
            return answer.map_err(|error| self.unsent(call, &error));
        }
    }

    /// The content of an answer.
    pub(super) async fn content(&self, call: &Call, answer: HttpResponse) -> Result<Bytes, StoreError> {
        let content = tokio::time::timeout(REQUEST_TIMEOUT, answer.into_body().bytes()).await;
        let content = content.map_err(|_| {
            self.error(call, Class::Unavailable, format!("no answer within {} s", REQUEST_TIMEOUT.as_secs()))
        })?;
        content.map_err(|error| self.unsent(call, &error))
    }

    /// What an answer that is no success means.
    pub(super) async fn refused(&self, call: &Call, answer: HttpResponse) -> StoreError {
        let status = answer.status();
        let document = tokio::time::timeout(REQUEST_TIMEOUT, answer.into_body().bytes()).await;
        let document = document.ok().and_then(Result::ok).unwrap_or_default();
        let (class, hint) = class(status.as_u16());
        let said = said(&document);
        let what = format!("status {}{}{said}", status.as_u16(), if said.is_empty() { "" } else { ": " });
        let error = self.error(call, class, what).with_status(Some(status.as_u16()));
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    async fn session(&self, call: &Call) -> Result<Arc<Session>, StoreError> {
        self.session.get(self.login.fetch(&self.http)).await.map_err(|why: NoCredentials| {
            // without an answer it may be the network
            match why.class {
                Class::Unavailable => self.error(call, why.class, why.to_string()),
                _ => self.error(call, why.class, format!("no credentials: {why}")).with_hint(HINT_LOGIN),
            }
        })
    }

    fn request(&self, session: &Session, call: &Call) -> Result<HttpRequest, StoreError> {
        let url = format!("{}/{}", session.storage_url, call.path);
        let uri =
            url.parse().map_err(|error| self.error(call, Class::Invalid, format!("`{url}` is no URL: {error}")))?;
        let mut request = HttpRequest::new(call.body.clone());
        (*request.method_mut(), *request.uri_mut()) = (call.method.clone(), uri);
        *request.headers_mut() = call.headers.clone();
        request.headers_mut().insert("x-auth-token", session.token.clone());
        if call.method == Method::PUT {
            request.headers_mut().insert(http::header::CONTENT_LENGTH, call.body.content_length().into());
        }
        Ok(request)
    }

    fn unsent(&self, call: &Call, error: &HttpError) -> StoreError {
        let why = innermost(error);
        let what = match error.kind() {
            HttpErrorKind::Connect => format!("no connection: {why}"),
            _ => format!("the connection broke: {why}"),
        };
        self.error(call, Class::Unavailable, what)
    }

    fn error(&self, call: &Call, class: Class, what: String) -> StoreError {
        StoreError::new(class, &self.url, call.operation, what).with_key(&call.key)
    }
}

// === impl Call ===

impl Call {
    pub(super) fn new(method: Method, operation: Operation, key: &str, path: String) -> Self {
        let (headers, body) = (HeaderMap::new(), HttpRequestBody::empty());
        Self { method, operation, key: key.to_owned(), path, headers, body, limit: REQUEST_TIMEOUT }
    }

    pub(super) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }
}

/// The cause at the bottom, which the others only repeat.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    let bottom = std::iter::successors(Some(error), |cause| (*cause).source()).last();
    bottom.map(ToString::to_string).unwrap_or_default()
}

/// 498 is of Swift's own middleware for limits.
fn says_slow_down(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 498)
}

/// The class, and a hint that is better than the one of the class.
fn class(status: u16) -> (Class, Option<&'static str>) {
    match status {
        401 | 403 => (Class::Denied, Some(HINT_DENIED)),
        404 => (Class::Missing, None),
        413 => (Class::Full, Some(HINT_QUOTA)),
        507 => (Class::Full, None),
        // 422: the bytes were damaged on their way, or a segment is not there yet
        408 | 409 | 412 | 422 | 425 | 429 | 498 => (Class::Unavailable, None),
        ..=499 | 501 => (Class::Invalid, None),
        _ => (Class::Unavailable, None),
    }
}

/// What the document of a refusal says: a paragraph of HTML, or an error of Keystone's.
fn said(document: &[u8]) -> String {
    let text = String::from_utf8_lossy(&document[..document.len().min(DOCUMENT_BYTES_MAX)]);
    let parsed: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let message = parsed["error"]["message"].as_str();
    let paragraph = || text.split_once("<p>")?.1.split_once("</p>").map(|(inside, _)| inside);
    message.or_else(paragraph).and_then(|said| said.lines().next()).unwrap_or_default().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_fall_into_classes() {
        let cases = [
            (401, Class::Denied),
            (403, Class::Denied),
            (404, Class::Missing),
            (400, Class::Invalid),
            (409, Class::Unavailable),
            (413, Class::Full),
            (422, Class::Unavailable),
            (429, Class::Unavailable),
            (498, Class::Unavailable),
            (500, Class::Unavailable),
            (501, Class::Invalid),
            (503, Class::Unavailable),
            (507, Class::Full),
        ];
        for (status, expected) in cases {
            assert_eq!(class(status).0, expected, "{status}");
        }
    }

    #[test]
    fn documents_of_refusals_are_read() {
        assert_eq!(
            said(b"<html><h1>Not Found</h1><p>The resource could not be found.</p></html>"),
            "The resource could not be found"
        );
        assert_eq!(
            said(br#"{"error":{"code":401,"message":"The request requires a login."}}"#),
            "The request requires a login"
        );
        assert_eq!(said(b"\xff<b>"), "");
    }
}
