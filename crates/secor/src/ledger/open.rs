//! Which ledger this is: `ledger.json`, and the database that it may point to (R1).
//!
//! `ledger.json` lies beside the data and decides. It is created once: by the first process where the store creates
//! exclusively, by `secor ledger init` where it does not. With a database, the ledger's row is there before
//! `ledger.json` names it; so a `ledger.json` whose row is missing means that rows were lost, and nothing is ever made
//! up for that.
//!
//! A ledger that was moved has further identities, `ledger.2.json` and so on; the one with the highest number counts.
//! Its *seat* tells where the arbiter keeps it: no two places that it ever was in, or that a move was only begun for,
//! can be taken for one another, whatever url leads there.

use std::sync::Arc;

use rand::Rng;
use secor_core::ids::LedgerId;
use secor_core::json::FORMAT_VERSION;
use secor_core::manifest::{Arbiter, LedgerIdentity, paths};

use super::closing::expect_open;
use super::slots::{Slots, StoreSlots};
use super::sql::SqlSlots;
use super::{Ledger, LedgerError, Role, create, error, expect, mismatch, read};
pub use crate::config::Ledger as LedgerSettings;
use crate::config::Secret;
use crate::sql::Database;
use crate::store::{self, ProbeFailure, Store};

/// Who may write a `ledger.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Founder {
    /// One of many processes that start: only where exactly one can win.
    Anybody,
    /// A person, who does it once.
    Operator,
}

// === impl Ledger ===

impl Ledger {
    /// Reads `ledger.json`; where there is none, probes the store and creates it, or adopts the one that another
    /// process created meanwhile. A ledger in the store that was probed under another url is probed again.
    ///
    /// # Errors
    /// [`LedgerError::Probe`] when the store has to arbitrate and does not create exclusively;
    /// [`LedgerError::NeedsInit`] when it does not and there is no `ledger.json`; [`LedgerError::Mismatch`] when the
    /// ledger has another arbiter; [`LedgerError::NotInDatabase`] when the database lost it.
    pub async fn open_or_create(store: Arc<dyn Store>, settings: &LedgerSettings) -> Result<Self, LedgerError> {
        open_as(store, settings, Founder::Anybody).await
    }

    /// As [`Self::open_or_create`], on the word of a person that nobody else does it now: so the store of the data need
    /// not create exclusively where a database arbitrates.
    ///
    /// # Errors
    /// As [`Self::open_or_create`], without [`LedgerError::NeedsInit`].
    pub async fn init(store: Arc<dyn Store>, settings: &LedgerSettings) -> Result<Self, LedgerError> {
        open_as(store, settings, Founder::Operator).await
    }

    /// The ledger for reading commands, which create nothing.
    ///
    /// # Errors
    /// [`LedgerError::Absent`] when there is none; else as [`Self::open_or_create`].
    pub async fn open(store: Arc<dyn Store>, settings: &LedgerSettings) -> Result<Self, LedgerError> {
        let found = find(&store).await?.ok_or_else(|| LedgerError::Absent(store.to_string()))?;
        let slots = attach(&store, &found.identity, settings).await?;
        expect_open(&*slots).await?;
        Ok(Self::new(store, slots, found.identity, Role::Reader))
    }

    /// Does the database, if the settings name one, answer, and as a primary? Creates nothing.
    ///
    /// # Errors
    /// [`LedgerError::Sql`].
    pub async fn reach(settings: &LedgerSettings) -> Result<(), LedgerError> {
        if let Arbiter::Sql = settings.arbiter {
            database(settings)?.query("SELECT 1", &[]).await?;
        }
        Ok(())
    }

    pub(super) fn new(store: Arc<dyn Store>, slots: Arc<dyn Slots>, identity: LedgerIdentity, role: Role) -> Self {
        let (identity, begun) = (Arc::new(identity), Arc::default());
        Self { store, slots, identity, role, begun, configs: Arc::default(), schemas: Arc::default() }
    }
}

/// An identity as it lies beside the data.
pub(super) struct Found {
    pub identity: LedgerIdentity,
    /// 1 until the ledger is moved.
    pub number: u32,
}

async fn open_as(store: Arc<dyn Store>, settings: &LedgerSettings, founder: Founder) -> Result<Ledger, LedgerError> {
    let place = store.to_string();
    let found = find(&store).await?;
    if let Some(Found { identity, .. }) = &found {
        expect_arbiter(identity, settings)?;
    }
    let probed = found.as_ref().is_some_and(|found| found.identity.probed == place);
    match settings.arbiter {
        Arbiter::Store if !probed => {
            let failed = |source| LedgerError::Probe { store: place.clone(), source: Box::new(source) };
            store::probe(&*store).await.map(drop).map_err(failed)?;
        }
        Arbiter::Sql if found.is_none() && founder == Founder::Anybody => {
            store::probe(&*store).await.map(drop).map_err(|source| unfit(&place, source))?;
        }
        Arbiter::Store | Arbiter::Sql => {}
    }
    let Found { identity, number } = match found {
        Some(found) => found,
        None => Found { identity: found_ledger(&store, settings).await?, number: 1 },
    };
    store.make_durable(&identity_path(number)).await?;
    let slots = attach(&store, &identity, settings).await?;
    expect_open(&*slots).await?;
    Ok(Ledger::new(store, slots, identity, Role::Archiver))
}

/// The identity that counts.
pub(super) async fn find(store: &Arc<dyn Store>) -> Result<Option<Found>, LedgerError> {
    let beside = StoreSlots::new(Arc::clone(store), None);
    let Some(identity): Option<LedgerIdentity> = read(&beside, paths::LEDGER).await? else { return Ok(None) };
    let mut found = Found { identity, number: 1 };
    loop {
        let path = identity_path(found.number + 1);
        let Some(next): Option<LedgerIdentity> = read(&beside, &path).await? else { return Ok(Some(found)) };
        expect(&path, error::LEDGER_ID, &next.ledger, &found.identity.ledger)?;
        found = Found { identity: next, number: found.number + 1 };
    }
}

pub(super) fn identity_path(number: u32) -> String {
    if number == 1 { paths::LEDGER.to_owned() } else { paths::moved_ledger(number) }
}

/// Makes up an id, has the database record it, and writes it down, unless somebody else did meanwhile.
async fn found_ledger(store: &Arc<dyn Store>, settings: &LedgerSettings) -> Result<LedgerIdentity, LedgerError> {
    let place = store.to_string();
    let id: u128 = rand::rng().random();
    let ledger = LedgerId(Arc::from(format!("{id:032x}")));
    if let Arbiter::Sql = settings.arbiter {
        SqlSlots::register(&database(settings)?, &ledger, &place).await?;
    }
    let own = LedgerIdentity { version: FORMAT_VERSION, ledger, arbiter: settings.arbiter, probed: place, seat: None };
    let beside = StoreSlots::new(Arc::clone(store), None);
    let won = create(&beside, paths::LEDGER, &own).await?;
    // where the last writer wins, what is read back counts
    match won {
        Some(won) => Ok(won),
        None => Ok(read(&beside, paths::LEDGER).await?.unwrap_or(own)),
    }
}

/// The slots that an identity speaks of, found by the settings.
///
/// # Errors
/// [`LedgerError::Moved`] when the settings lead to where the ledger was before.
pub(super) async fn attach(
    store: &Arc<dyn Store>,
    identity: &LedgerIdentity,
    settings: &LedgerSettings,
) -> Result<Arc<dyn Slots>, LedgerError> {
    expect_arbiter(identity, settings)?;
    let seat = identity.seat.as_ref();
    match identity.arbiter {
        Arbiter::Store => Ok(Arc::new(StoreSlots::new(Arc::clone(store), seat.map(|seat| &*seat.id)))),
        Arbiter::Sql => {
            let database = database(settings)?;
            let place = database.to_string();
            let rows = seat.map_or_else(|| identity.ledger.clone(), |seat| LedgerId(Arc::from(&*seat.id)));
            match (SqlSlots::attach(database, rows, &store.to_string()).await, seat) {
                (Err(LedgerError::NotInDatabase { .. }), Some(seat)) if seat.place != place => {
                    Err(LedgerError::Moved(seat.place.clone()))
                }
                (slots, _) => Ok(Arc::new(slots?)),
            }
        }
    }
}

pub(super) fn database(settings: &LedgerSettings) -> Result<Database, LedgerError> {
    let none = Secret::new("");
    Ok(Database::new(settings.url.as_ref().unwrap_or(&none))?)
}

fn unfit(place: &str, source: ProbeFailure) -> LedgerError {
    let (store, source) = (place.to_owned(), Box::new(source));
    match *source {
        ProbeFailure::Store(_) => LedgerError::Probe { store, source },
        _ => LedgerError::NeedsInit { store, source },
    }
}

fn expect_arbiter(identity: &LedgerIdentity, settings: &LedgerSettings) -> Result<(), LedgerError> {
    let word = |arbiter: Arbiter| match arbiter {
        Arbiter::Store => "`store`".to_owned(),
        Arbiter::Sql => "`sql`".to_owned(),
    };
    if identity.arbiter == settings.arbiter {
        return Ok(());
    }
    if let Some(seat) = &identity.seat {
        return Err(LedgerError::Moved(seat.place.clone()));
    }
    Err(mismatch(paths::LEDGER, error::ARBITER, word(identity.arbiter), word(settings.arbiter)))
}
