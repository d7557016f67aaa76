//! The admin page of a running archive: is it alive, is it ready, how far is it, and flush now.
//!
//! | request | answer |
//! |---|---|
//! | `GET /health` | 200 while the process answers |
//! | `GET /ready` | 200, or 503 with the reasons: a topic partition is refused, or the store or Kafka does not answer |
//! | `GET /metrics` | Prometheus text format 0.0.4 |
//! | `GET /api/status` | JSON: every topic partition, what it does, its lag, its last batch, its refusal |
//! | `POST /api/flush[?topic=T&partition=P]` | 202: open batches are cut; needs `Authorization: Bearer <admin.token>` |
//!
//! Reading needs no token; a write without a configured token is forbidden. Deliberately absent: TLS and stopping the
//! process from afar.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use secor_core::ids::TopicPartition;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::config::Secret;
use crate::service::Control;

/// Ports that are tried when the configured one is taken.
const PORTS_TRIED_MAX: u16 = 100;
/// Histograms grow until they are condensed.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Where the metrics go. Installed once per process, before anything is counted.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// Why there is no admin page.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("no port from {from} on is free")]
    NoPort { from: SocketAddr, source: std::io::Error },
    #[error("metrics can't be installed")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

#[derive(Clone)]
struct Page {
    control: Control,
    metrics: Metrics,
    token: Option<Arc<Secret>>,
}

#[derive(Debug, Deserialize)]
struct FlushQuery {
    topic: Option<String>,
    partition: Option<i32>,
}

// === impl Metrics ===

impl Metrics {
    /// # Errors
    /// [`AdminError::Metrics`] when the process has a recorder already.
    pub fn install() -> Result<Self, AdminError> {
        Ok(Self(PrometheusBuilder::new().install_recorder()?))
    }
}

/// Listens on `listen`, or on the next free port, and serves until the process ends. Returns the address.
///
/// # Errors
/// [`AdminError::NoPort`].
pub async fn serve(
    listen: SocketAddr,
    token: Option<Secret>,
    metrics: Metrics,
    control: Control,
) -> Result<SocketAddr, AdminError> {
    let (listener, address) = bind(listen).await?;
    let upkeep = metrics.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            upkeep.0.run_upkeep();
        }
    });
    let router = Router::new()
        .route("/health", get(|| async { "alive\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(prometheus))
        .route("/api/status", get(status))
        .route("/api/flush", post(flush))
        .with_state(Page { control, metrics, token: token.map(Arc::new) });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "the admin page has ended");
        }
    });
    Ok(address)
}

async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), AdminError> {
    let mut last = None;
    for step in 0..PORTS_TRIED_MAX {
        let Some(port) = listen.port().checked_add(step) else {
            break;
        };
        match TcpListener::bind(SocketAddr::new(listen.ip(), port)).await.and_then(|listener| {
            let address = listener.local_addr()?;
            Ok((listener, address))
        }) {
            Ok(bound) => return Ok(bound),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => last = Some(error),
            Err(source) => return Err(AdminError::NoPort { from: listen, source }),
        }
    }
    let source = last.unwrap_or_else(|| std::io::Error::from(std::io::ErrorKind::AddrInUse));
    Err(AdminError::NoPort { from: listen, source })
}

async fn ready(State(page): State<Page>) -> Response {
    let overview = page.control.registry().overview();
    if overview.ready {
        return "ready\n".into_response();
    }
    let reason = |(tp, row): (&String, &crate::service::Row)| match (&row.refusal, &row.trouble) {
        (Some(refusal), _) => Some(format!("{tp}: refused: {}: {}\n", refusal.code, refusal.detail)),
        (None, Some(trouble)) => Some(format!("{tp}: {trouble}\n")),
        (None, None) => None,
    };
    let reasons: String = overview.topic_partitions.iter().filter_map(reason).collect();
    (StatusCode::SERVICE_UNAVAILABLE, reasons).into_response()
}

async fn prometheus(State(page): State<Page>) -> Response {
    let text = page.metrics.0.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn status(State(page): State<Page>) -> Response {
    Json(page.control.registry().overview()).into_response()
}

async fn flush(State(page): State<Page>, headers: HeaderMap, Query(query): Query<FlushQuery>) -> Response {
    let Some(token) = &page.token else {
        return (StatusCode::FORBIDDEN, "set `admin.token` to allow writes\n").into_response();
    };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer "));
    if !given.is_some_and(|given| same(given.as_bytes(), token.expose().as_bytes())) {
        return (StatusCode::UNAUTHORIZED, "send `Authorization: Bearer <admin.token>`\n").into_response();
    }
    match (query.topic, query.partition) {
        (None, None) => page.control.flush(None),
        (Some(topic), Some(partition)) => page.control.flush(Some(&TopicPartition::new(topic, partition))),
        _ => return (StatusCode::BAD_REQUEST, "give both `topic` and `partition`, or none\n").into_response(),
    }
    (StatusCode::ACCEPTED, "flushing\n").into_response()
}

/// Takes the same time wherever the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
