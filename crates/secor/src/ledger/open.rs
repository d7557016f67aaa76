//! Which ledger this is: `ledger.json`, and the database that it may point to (R1).
//!
//! `ledger.json` lies beside the data and decides. It is created once: by the first process where the store creates
//! exclusively, by `secor ledger init` where it does not. With a database, the ledger's row is there before
//! `ledger.json` names it; so a `ledger.json` whose row is missing means that rows were lost, and nothing is ever made
//! up for that.

use std::sync::Arc;

use rand::Rng;
use secor_core::ids::LedgerId;
use secor_core::json::FORMAT_VERSION;
use secor_core::manifest::{Arbiter, LedgerIdentity, paths};

use super::slots::{Slots, StoreSlots};
use super::sql::SqlSlots;
use super::{Ledger, LedgerError, Role, create, error, mismatch, read};
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
        let identity = find(&store).await?.ok_or_else(|| LedgerError::Absent(store.to_string()))?;
        expect_arbiter(&identity, settings)?;
        let slots = attach(&store, &identity, settings).await?;
        Ok(Self::new(store, slots, identity, Role::Reader))
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

    fn new(store: Arc<dyn Store>, slots: Arc<dyn Slots>, identity: LedgerIdentity, role: Role) -> Self {
        Self { store, slots, identity: Arc::new(identity), role, configs: Arc::default(), schemas: Arc::default() }
    }
}

async fn open_as(store: Arc<dyn Store>, settings: &LedgerSettings, founder: Founder) -> Result<Ledger, LedgerError> {
    let place = store.to_string();
    let found = find(&store).await?;
    if let Some(identity) = &found {
        expect_arbiter(identity, settings)?;
    }
    let probed = found.as_ref().is_some_and(|identity| identity.probed == place);
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
    let identity = match found {
        Some(identity) => identity,
        None => found_ledger(&store, settings).await?,
    };
    expect_arbiter(&identity, settings)?;
    store.make_durable(paths::LEDGER).await?;
    let slots = attach(&store, &identity, settings).await?;
    Ok(Ledger::new(store, slots, identity, Role::Archiver))
}

async fn find(store: &Arc<dyn Store>) -> Result<Option<LedgerIdentity>, LedgerError> {
    read(&StoreSlots(Arc::clone(store)), paths::LEDGER).await
}

/// Makes up an id, has the database record it, and writes it down, unless somebody else did meanwhile.
async fn found_ledger(store: &Arc<dyn Store>, settings: &LedgerSettings) -> Result<LedgerIdentity, LedgerError> {
    let place = store.to_string();
    let id: u128 = rand::rng().random();
    let ledger = LedgerId(Arc::from(format!("{id:032x}")));
    if let Arbiter::Sql = settings.arbiter {
        SqlSlots::register(&database(settings)?, &ledger, &place).await?;
    }
    let own = LedgerIdentity { version: FORMAT_VERSION, ledger, arbiter: settings.arbiter, probed: place };
    let beside = StoreSlots(Arc::clone(store));
    let won = create(&beside, paths::LEDGER, &own).await?;
    // where the last writer wins, what is read back counts
    match won {
        Some(won) => Ok(won),
        None => Ok(read(&beside, paths::LEDGER).await?.unwrap_or(own)),
    }
}

async fn attach(
    store: &Arc<dyn Store>,
    identity: &LedgerIdentity,
    settings: &LedgerSettings,
) -> Result<Arc<dyn Slots>, LedgerError> {
    match identity.arbiter {
        Arbiter::Store => Ok(Arc::new(StoreSlots(Arc::clone(store)))),
        Arbiter::Sql => {
            let database = database(settings)?;
            Ok(Arc::new(SqlSlots::attach(database, identity.ledger.clone(), &store.to_string()).await?))
        }
    }
}

fn database(settings: &LedgerSettings) -> Result<Database, LedgerError> {
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
    Err(mismatch(paths::LEDGER, error::ARBITER, word(identity.arbiter), word(settings.arbiter)))
}
