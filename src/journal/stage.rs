//! The scratch database of one plan, whatever keeps it: the manifest's rows and the inventory, joined.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::JournalError;
use crate::domain::Known;

/// What a scratch database answers. Each of these fails if the database does.
pub type Staged<'a, T> = Pin<Box<dyn Future<Output = Result<T, JournalError>> + Send + 'a>>;

/// Which rows a guard may refuse a plan for.
#[derive(Debug, Clone, Copy)]
pub struct Refusing<'a> {
    /// Those that name another account than this one.
    pub account: &'a str,
    /// Whether to include rows whose key pair was used to create instances.
    pub in_use: bool,
    /// Whether to include rows whose name an earlier run knows.
    pub known: bool,
}

/// What stores the rows and the inventory. A page of rows is a text: one JSON object per row ([`Joined`]).
pub trait Staging: fmt::Debug + Send {
    /// As [`Stage::put_rows`].
    fn put_rows<'a>(&'a mut self, rows: &'a [StageRow]) -> Staged<'a, ()>;

    /// As [`Stage::fill_region`].
    fn fill_region<'a>(&'a mut self, region: &'a str) -> Staged<'a, ()>;

    /// As [`Stage::replace`].
    fn replace<'a>(&'a mut self, row: u64, body: &'a str) -> Staged<'a, ()>;

    /// As [`Stage::index_rows`].
    fn index_rows(&mut self) -> Staged<'_, ()>;

    /// As [`Stage::put_seen`].
    fn put_seen<'a>(&'a mut self, region: &'a str, seen: &'a [(String, String)]) -> Staged<'a, ()>;

    /// As [`Stage::put_used`].
    fn put_used<'a>(&'a mut self, region: &'a str, used: &'a [(String, String)]) -> Staged<'a, ()>;

    /// As [`Stage::among`].
    fn among<'a>(&'a mut self, names: &'a str) -> Staged<'a, String>;

    /// As [`Stage::put_known`].
    fn put_known<'a>(&'a mut self, run: &'a str, same_manifest: bool, known: &'a str) -> Staged<'a, ()>;

    /// As [`Stage::regions`].
    fn regions(&self) -> &[String];

    /// As [`Stage::joined`], as text.
    fn joined(&mut self, after: u64, limit: u32) -> Staged<'_, String>;

    /// As [`Stage::suspects`], as text.
    fn suspects<'a>(&'a mut self, after: u64, limit: u32, refusing: Refusing<'a>) -> Staged<'a, String>;

    /// As [`Stage::twins`].
    fn twins(&mut self, after: u64, limit: u32) -> Staged<'_, Vec<Twins>>;
}

/// The scratch database of one plan.
#[derive(Debug)]
pub struct Stage(Box<dyn Staging>);

/// A row of the manifest, as it is staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRow {
    /// Its number.
    pub row: u64,
    /// Its region; empty where it names none.
    pub region: String,
    /// The key pair's name; empty for an invalid row.
    pub name: String,
    /// The account that it names, if any.
    pub account: Option<String>,
    /// All of it, as JSON.
    pub body: String,
}

/// A row of the manifest with what is known about its key pair.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Joined<Row, Seen> {
    /// The row's number.
    pub row: u64,
    /// Its region.
    pub region: String,
    /// The key pair's name.
    pub name: String,
    /// What was staged of the row.
    pub body: Row,
    /// What was staged of the inventory.
    pub seen: Option<Seen>,
    /// Whether two key pairs of this name were listed.
    pub ambiguous: bool,
    /// How many instances name this key pair, and one of them.
    pub used: Option<(u64, String)>,
    /// The first row that names the same key pair; the row itself if there is no other.
    pub first: u64,
    /// What earlier runs know of this name.
    pub known: Vec<Known>,
}

/// Two rows that name the same key pair: the first one that does, and a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twins {
    /// The key pair's name.
    pub name: String,
    /// The first row's number and what was staged of it.
    pub first: (u64, String),
    /// The later row's.
    pub later: (u64, String),
}

impl Stage {
    /// Kept by `staging`.
    pub fn new(staging: impl Staging + 'static) -> Self {
        Self(Box::new(staging))
    }

    /// Adds rows, in the order of their numbers.
    ///
    /// # Errors
    /// If the database fails; this applies to every method here.
    pub async fn put_rows(&mut self, rows: &[StageRow]) -> Result<(), JournalError> {
        self.0.put_rows(rows).await
    }

    /// Puts rows that name no region into `region`.
    pub async fn fill_region(&mut self, region: &str) -> Result<(), JournalError> {
        self.0.fill_region(region).await
    }

    /// Replaces what was staged of a row.
    pub async fn replace(&mut self, row: u64, body: &str) -> Result<(), JournalError> {
        self.0.replace(row, body).await
    }

    /// Indexes the rows by name; call this once, after the last row.
    pub async fn index_rows(&mut self) -> Result<(), JournalError> {
        self.0.index_rows().await
    }

    /// Adds a page of an inventory: (name, body). A body is a JSON array that begins with arn and creation time.
    pub async fn put_seen(&mut self, region: &str, seen: &[(String, String)]) -> Result<(), JournalError> {
        self.0.put_seen(region, seen).await
    }

    /// Adds a page of instances: (key pair's name, instance's name).
    pub async fn put_used(&mut self, region: &str, used: &[(String, String)]) -> Result<(), JournalError> {
        self.0.put_used(region, used).await
    }

    /// Which of an earlier run's rows are about a key pair that a row here names: takes a JSON array of (region, name, number), and
    /// returns a JSON array of the numbers. The rows must have been indexed.
    pub async fn among(&mut self, names: &str) -> Result<String, JournalError> {
        self.0.among(names).await
    }

    /// Adds what an earlier run knows: a JSON array of (region, name, identity or null, when the run began). Earlier runs come
    /// before later ones.
    pub async fn put_known(&mut self, run: &str, same_manifest: bool, known: &str) -> Result<(), JournalError> {
        self.0.put_known(run, same_manifest, known).await
    }

    /// The regions of the rows that have a name, in the order in which they first appear.
    #[must_use]
    pub fn regions(&self) -> &[String] {
        self.0.regions()
    }

    /// The next rows after `after`, in order.
    pub async fn joined<Row, Seen>(&mut self, after: u64, limit: u32) -> Result<Vec<Joined<Row, Seen>>, JournalError>
    where
        Row: DeserializeOwned,
        Seen: DeserializeOwned,
    {
        records(&self.0.joined(after, limit).await?)
    }

    /// The next rows after `after` that a guard may refuse the plan for.
    pub async fn suspects<Row, Seen>(
        &mut self,
        after: u64,
        limit: u32,
        refusing: Refusing<'_>,
    ) -> Result<Vec<Joined<Row, Seen>>, JournalError>
    where
        Row: DeserializeOwned,
        Seen: DeserializeOwned,
    {
        records(&self.0.suspects(after, limit, refusing).await?)
    }

    /// Rows that name the same key pair as an earlier one, after row `after`, in order.
    pub async fn twins(&mut self, after: u64, limit: u32) -> Result<Vec<Twins>, JournalError> {
        self.0.twins(after, limit).await
    }
}

/// Reads a page of rows.
fn records<Row, Seen>(page: &str) -> Result<Vec<Joined<Row, Seen>>, JournalError>
where
    Row: DeserializeOwned,
    Seen: DeserializeOwned,
{
    let records = serde_json::Deserializer::from_str(page).into_iter();
    records.collect::<Result<_, _>>().map_err(|error| JournalError::damaged(format!("a staged row: {error}")))
}
