//! The statistics of an engine, computed on request.

use std::collections::BTreeMap;

use super::engine::Engine;
use super::stats::{Effects, NameEffects, OfAccount, Stats};

impl Engine {
    /// The current statistics, with up to this many names.
    pub(super) fn stats(&self, names_max: usize) -> Stats {
        let count = self.regions.iter().map(|region| region.history.trails().count()).sum::<usize>();
        let mut names = Vec::new();
        if count <= names_max {
            for region in &self.regions {
                names.extend(region.history.trails().map(|(name, trail)| NameEffects {
                    account: self.accounts[region.account].id.to_string(),
                    region: region.name.clone(),
                    name: region.pairs.text(name),
                    effects: Effects {
                        deleted: trail.deleted.into(),
                        created: trail.created.into(),
                        deleted_by_others: trail.deleted_by_others.into(),
                        created_by_others: trail.created_by_others.into(),
                    },
                }));
            }
            names.sort_by(|one, other| {
                (&one.account, &one.region, &one.name).cmp(&(&other.account, &other.region, &other.name))
            });
        }
        let mut present = BTreeMap::new();
        let mut accounts: BTreeMap<String, OfAccount> = BTreeMap::new();
        for region in &self.regions {
            let there = region.pairs.present();
            *present.entry(region.name.clone()).or_default() += there;
            let account = &self.accounts[region.account];
            let of = accounts.entry(account.id.to_string()).or_default();
            of.effects.clone_from(&account.effects);
            of.present.insert(region.name.clone(), there);
        }
        Stats {
            world: self.id.clone(),
            requests: self
                .counters
                .requests
                .iter()
                .map(|(operation, requests)| (operation.name().to_owned(), requests.clone()))
                .collect(),
            faults: self.counters.faults.iter().map(|(kind, times)| (kind.name(), *times)).collect(),
            effects: self.counters.effects.clone(),
            present,
            accounts,
            names_left_out: (count - names.len()) as u64,
            names,
            broken: self.broken.clone(),
        }
    }
}
