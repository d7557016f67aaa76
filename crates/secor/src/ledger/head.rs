//! Finds the last entry of a chain without reading the chain (design, section 6).
//!
//! Entries are sorted by start, and a listing can begin anywhere. So: one page from the beginning, which is the whole
//! of most chains; then leaps that grow eightfold until nothing lies behind them; then halving what is left. A page
//! that is not full ends the search at once, because its last key is the last of all. With `D` the distance of the head
//! and `S` the offsets that one page spans, that is at most about `1 + log8(D/S) + log2(8 D/S)` listings: 45 for
//! `D/S = 2^30`, which is 10^12 records in batches of one record.
//!
//! Pure but for the listing that it is given, so that tests can count.

use futures::future::BoxFuture;
use secor_core::ids::Offset;

/// Keys in one listing: what S3 gives in one answer.
pub(super) const PAGE_KEYS: usize = 1000;

const LEAP_GROWTH: i64 = 8;

/// What one listing says about the slots behind a point.
enum Page {
    Nothing,
    /// This is the last of all.
    Last(i64),
    /// There are this one, and perhaps more.
    UpTo(i64),
}

/// The largest slot that is not above `limit`. `list(after)` gives the first [`PAGE_KEYS`] slots above `after`,
/// ascending.
pub(super) async fn search<'l, E>(
    limit: Offset,
    list: impl Fn(Option<Offset>) -> BoxFuture<'l, Result<Vec<Offset>, E>>,
) -> Result<Option<Offset>, E> {
    let page = |after: i64| {
        let listed = list(Offset::new(after).ok());
        async move { listed.await.map(|slots| digest(&slots, limit)) }
    };
    let offset = |slot| Ok(Some(Offset::new(slot).expect("slots are offsets, and the search only goes up")));

    let first = list(None).await?;
    let mut low = match digest(&first, limit) {
        Page::Nothing => return Ok(None),
        Page::Last(slot) => return offset(slot),
        Page::UpTo(slot) => slot,
    };
    let mut leap = low - first.first().map_or(low, |slot| slot.get());
    let mut high = limit.get();
    while let Some(point) = low.checked_add(leap.max(1)).filter(|point| *point < high) {
        match page(point).await? {
            Page::Nothing => high = point,
            Page::Last(slot) => return offset(slot),
            Page::UpTo(slot) => low = slot,
        }
        leap = leap.saturating_mul(LEAP_GROWTH);
    }
    while low < high {
        let middle = low + (high - low) / 2;
        match page(middle).await? {
            Page::Nothing => high = middle,
            Page::Last(slot) => return offset(slot),
            Page::UpTo(slot) => low = slot,
        }
    }
    offset(low)
}

fn digest(slots: &[Offset], limit: Offset) -> Page {
    let within = slots.partition_point(|slot| *slot <= limit);
    match slots[..within].last() {
        None => Page::Nothing,
        Some(last) if within < PAGE_KEYS => Page::Last(last.get()),
        Some(last) => Page::UpTo(last.get()),
    }
}
