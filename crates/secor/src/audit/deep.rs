//! Reads a file back, counts its records and digests what its format kept.

use std::error::Error;
use std::sync::Arc;

use secor_core::manifest::FileEntry;
use secor_format::{ReadError, ReadSummary, digest_file};

use super::AuditError;
use super::files::{BatchCheck, Content};
use super::report::{Finding, FindingCode};
use crate::store::object;

pub(super) async fn read_back(
    check: &BatchCheck<'_>,
    file: &FileEntry,
    content: &Content,
) -> Result<Vec<Finding>, AuditError> {
    let finding = |code, detail: String| check.place.file(code, &file.key, detail);
    let shape = match check.ledger.config(&check.batch.config).await {
        Ok(shape) => shape,
        Err(error) => match error.refusal() {
            Some(refusal) => return Ok(vec![finding(FindingCode::Unreadable, refusal.detail)]),
            None => return Err(error.into()),
        },
    };
    let Some(reader) = object::open(&**check.ledger.store(), &file.key).await? else {
        return Ok(vec![finding(FindingCode::MissingFile, "vanished while it was checked".to_owned())]);
    };
    let failure = reader.failure();
    let dead_letters = file.dead_letters;
    let read = move || digest_file(&Arc::clone(&shape).output, dead_letters, reader);
    let summary = tokio::task::spawn_blocking(read).await.map_err(AuditError::Panicked)?;
    if let Some(error) = failure.take() {
        return Err(error.into());
    }
    Ok(match summary {
        Ok(summary) => {
            let different = compare(&summary, content, check.entry.start.get()..check.entry.end.get());
            different.map(|(code, detail)| finding(code, detail)).into_iter().collect()
        }
        Err(error) => vec![finding(FindingCode::Unreadable, chain(&error))],
    })
}

fn compare(summary: &ReadSummary, content: &Content, range: std::ops::Range<i64>) -> Option<(FindingCode, String)> {
    if summary.records != content.records {
        let detail = format!("holds {} records, expected {}", summary.records, content.records);
        return Some((FindingCode::WrongCount, detail));
    }
    if summary.values_digest != content.values_digest {
        let detail =
            format!("holds other values: digest {}, expected {}", summary.values_digest, content.values_digest);
        return Some((FindingCode::WrongContent, detail));
    }
    if let Some(found) = summary.records_digest.filter(|found| *found != content.records_digest) {
        let detail = format!("holds other records: digest {found}, expected {}", content.records_digest);
        return Some((FindingCode::WrongContent, detail));
    }
    let outside = [summary.first_offset, summary.last_offset].into_iter().flatten();
    let outside = outside.map(|offset| offset.get()).find(|offset| !range.contains(offset));
    outside.map(|offset| {
        let detail = format!("holds offset {offset}, which is not in its batch {}..{}", range.start, range.end);
        (FindingCode::WrongContent, detail)
    })
}

fn chain(error: &ReadError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
