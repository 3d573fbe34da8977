//! The accounts of a life: which rows are in which, how they are reached, and what goes wrong with one of them alone.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::time::Us;

/// The account of the default credentials.
pub(crate) const ACCOUNT: &str = "123456789012";

/// Accounts that the configuration says how to reach.
const OTHERS: [&str; 2] = ["210987654321", "345678901234"];

/// An account that no run has anything to do with.
pub(crate) const STRANGER: &str = "999999999999";

/// The accounts of a life. Names repeat over them.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    all: Vec<&'static str>,
    /// Whether the configuration also says how to reach the account of the default credentials: then nothing needs those.
    is_home_configured: bool,
}

impl Accounts {
    pub(crate) fn one() -> Self {
        Self { all: vec![ACCOUNT], is_home_configured: false }
    }

    /// One life in four has several.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        if rng.u32(0..4) != 0 {
            return Self::one();
        }
        let mut all: Vec<_> = std::iter::once(ACCOUNT).chain(OTHERS[..rng.usize(1..=2)].iter().copied()).collect();
        rng.shuffle(&mut all);
        Self { all, is_home_configured: rng.u32(0..3) == 0 }
    }

    pub(crate) fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    /// Those that the configuration says how to reach.
    pub(crate) fn configured(&self) -> BTreeSet<String> {
        let several = self.all.iter().filter(|_| self.are_several());
        several.filter(|account| self.is_configured(account)).map(|account| (*account).to_owned()).collect()
    }

    pub(crate) fn is_configured(&self, account: &str) -> bool {
        account != ACCOUNT || self.is_home_configured
    }

    /// The account of a row, and the number in its name: each account has each name once.
    pub(crate) fn place(&self, index: usize) -> (&'static str, usize) {
        let count = self.all.len();
        (self.all[(index + index / count) % count], index / count)
    }

    /// How a row names its account. Where the default credentials are for it, a row may as well name none.
    pub(crate) fn cell(&self, account: &'static str, index: usize) -> &'static str {
        if self.is_configured(account) || index % 2 == 1 { account } else { "" }
    }
}

/// Whom it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    Region(String),
    Account(String),
}

impl Whom {
    pub(crate) fn has(&self, (account, region): (&str, &str)) -> bool {
        match self {
            Self::Region(of) => of == region,
            Self::Account(of) => of == account,
        }
    }
}

/// Everybody is refused somewhere for a while.
#[derive(Debug, Clone)]
pub(crate) struct Refusing {
    pub(crate) whom: Whom,
    pub(crate) from: Us,
    pub(crate) until: Us,
}
