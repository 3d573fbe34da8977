//! The key pairs of one region.
//!
//! Listed and re-created key pairs are entries in an ordered map; generated ones take a bit each, and everything else is
//! derived when it is read. Pages stay stable while key pairs vanish: a token says what came last, not how many came.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::Arc;

use super::account::{DEFAULT_KEY_PAIR, Generate, KeyPairSpec};
use super::check::number_of;
use super::clock::{Micros, from_timestamp};
use super::derive::Identity;
use super::fault::History;

/// A name, which takes sixteen bytes if it is generated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Name {
    /// A name of this entry of `generate`, with this number from 0.
    Generated { block: u32, number: u32 },
    /// Any other.
    Own(Arc<str>),
}

/// A stored key pair; fields that are `None` are derived from `born`.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    /// See [`Identity::of`].
    pub(super) born: u64,
    pub(super) arn: Option<Box<str>>,
    pub(super) fingerprint: Option<Box<str>>,
    pub(super) created_at: Option<Micros>,
    pub(super) tags: BTreeMap<String, String>,
    /// Whether its operations can be found; `None`: the world decides.
    pub(super) history: Option<History>,
}

/// A key pair in the API's form.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KeyPair {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) fingerprint: String,
    pub(super) created_at: Micros,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) history: Option<History>,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cursor {
    /// After this name in the ordered map.
    Listed(String),
    /// Before this number of this block.
    Generated { block: u32, number: u32 },
}

/// All key pairs of an account in one region.
#[derive(Debug)]
pub(super) struct KeyPairs {
    account: Arc<str>,
    region: String,
    seed: u64,
    listed: BTreeMap<Arc<str>, Stored>,
    blocks: Vec<Block>,
    present: u64,
}

#[derive(Debug)]
struct Block {
    prefix: String,
    width: usize,
    count: u32,
    tags: BTreeMap<String, String>,
    /// One bit for each number: whether that key pair exists.
    there: Vec<u64>,
}

impl KeyPairs {
    pub(super) fn new(account: Arc<str>, region: &str, seed: u64) -> Self {
        Self { account, region: region.to_owned(), seed, listed: BTreeMap::new(), blocks: Vec::new(), present: 0 }
    }

    pub(super) fn list(&mut self, spec: KeyPairSpec) {
        let stored = Stored {
            born: 0,
            arn: spec.arn,
            fingerprint: spec.fingerprint,
            created_at: spec.created_at.map(from_timestamp),
            tags: spec.tags,
            history: spec.operation_history,
        };
        self.insert(&spec.name, stored);
    }

    pub(super) fn generate(&mut self, entry: Generate) {
        let words = (entry.count as usize).div_ceil(64);
        let mut there = vec![u64::MAX; words];
        if let (Some(last), rest @ 1..) = (there.last_mut(), entry.count % 64) {
            *last = (1 << rest) - 1;
        }
        self.present += u64::from(entry.count);
        let width = entry.width();
        self.blocks.push(Block { prefix: entry.prefix, width, count: entry.count, tags: entry.tags, there });
    }

    /// The number of key pairs.
    pub(super) fn present(&self) -> u64 {
        self.present
    }

    pub(super) fn get(&self, name: &str) -> Option<KeyPair> {
        if let Some(stored) = self.listed.get(name) {
            return Some(self.show(name, stored));
        }
        let (block, number) = self.find(name)?;
        self.blocks[block].has(number).then(|| self.show_generated(&self.blocks[block], number))
    }

    /// Removes a key pair and returns it.
    pub(super) fn remove(&mut self, name: &str) -> Option<KeyPair> {
        let pair = self.get(name)?;
        if self.listed.remove(name).is_none()
            && let Some((block, number)) = self.find(name)
        {
            self.blocks[block].clear(number);
        }
        self.present -= 1;
        Some(pair)
    }

    /// Adds a key pair; none of the same name may exist.
    pub(super) fn insert(&mut self, name: &str, stored: Stored) {
        if let Entry::Vacant(place) = self.listed.entry(Arc::from(name)) {
            place.insert(stored);
            self.present += 1;
        }
    }

    /// The short form of a name.
    pub(super) fn name(&self, name: &str) -> Name {
        match self.find(name) {
            Some((block, number)) => Name::Generated { block: u32::try_from(block).unwrap_or(u32::MAX), number },
            None => Name::Own(Arc::from(name)),
        }
    }

    /// The full name of a short form.
    pub(super) fn text(&self, name: &Name) -> String {
        match name {
            Name::Own(text) => text.to_string(),
            Name::Generated { block, number } => self.blocks[*block as usize].name(*number),
        }
    }

    /// Up to `limit` key pairs, and where to continue if there may be more. Listed ones come first, by name.
    pub(super) fn page(
        &self,
        from: Option<&Cursor>,
        limit: usize,
        with_default: bool,
    ) -> (Vec<KeyPair>, Option<Cursor>) {
        let mut page = Vec::with_capacity(limit.min(1_000));
        let (mut block, mut number) = (0, 0);
        if let Some(Cursor::Generated { block: at_block, number: at_number }) = from {
            (block, number) = (*at_block as usize, *at_number);
        } else {
            let after = match from {
                Some(Cursor::Listed(name)) => Bound::Excluded(name.as_str()),
                _ => Bound::Unbounded,
            };
            let names = self.listed.range::<str, _>((after, Bound::Unbounded));
            for (name, stored) in names.filter(|(name, _)| with_default || name.as_ref() != DEFAULT_KEY_PAIR) {
                if page.len() == limit {
                    let last = page.last().map(|pair: &KeyPair| Cursor::Listed(pair.name.clone()));
                    return (page, last);
                }
                page.push(self.show(name, stored));
            }
        }
        while let Some(here) = self.blocks.get(block) {
            while let Some(next) = here.next(number) {
                if page.len() == limit {
                    return (
                        page,
                        Some(Cursor::Generated { block: u32::try_from(block).unwrap_or(u32::MAX), number: next }),
                    );
                }
                page.push(self.show_generated(here, next));
                number = next + 1;
            }
            (block, number) = (block + 1, 0);
        }
        (page, None)
    }

    fn find(&self, name: &str) -> Option<(usize, u32)> {
        self.blocks.iter().enumerate().find_map(|(block, here)| {
            number_of(name, &here.prefix, here.width, here.count).map(|number| (block, number))
        })
    }

    fn show(&self, name: &str, stored: &Stored) -> KeyPair {
        let identity = Identity::of(self.seed, &self.region, name, stored.born);
        KeyPair {
            name: name.to_owned(),
            arn: stored.arn.as_deref().map_or_else(|| identity.arn(&self.account, &self.region), str::to_owned),
            fingerprint: stored.fingerprint.as_deref().map_or_else(|| identity.fingerprint(), str::to_owned),
            created_at: stored.created_at.unwrap_or_else(|| identity.created_at_us()),
            tags: stored.tags.clone(),
            history: stored.history,
        }
    }

    fn show_generated(&self, block: &Block, number: u32) -> KeyPair {
        let mut pair = self.show(&block.name(number), &Stored::default());
        pair.tags.clone_from(&block.tags);
        pair
    }
}

impl Block {
    fn name(&self, number: u32) -> String {
        format!("{}{:0width$}", self.prefix, number + 1, width = self.width)
    }

    fn has(&self, number: u32) -> bool {
        self.there[number as usize / 64] >> (number % 64) & 1 == 1
    }

    fn clear(&mut self, number: u32) {
        self.there[number as usize / 64] &= !(1 << (number % 64));
    }

    /// The first number from here on whose key pair exists.
    fn next(&self, from: u32) -> Option<u32> {
        let mut word = from as usize / 64;
        let mut bits = self.there.get(word)? & (u64::MAX << (from % 64));
        while bits == 0 {
            word += 1;
            bits = *self.there.get(word)?;
        }
        u32::try_from(word * 64).ok().map(|base| base + bits.trailing_zeros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> KeyPairs {
        let mut pairs = KeyPairs::new("000000000000".into(), "us-east-1", 3);
        for name in ["bb", "aa", DEFAULT_KEY_PAIR] {
            pairs.list(serde_json::from_str(&format!(r#"{{"name":"{name}"}}"#)).unwrap());
        }
        pairs.generate(serde_json::from_str(r#"{"region":"us-east-1","prefix":"g-","count":130}"#).unwrap());
        pairs
    }

    fn all(pairs: &KeyPairs, limit: usize, with_default: bool) -> Vec<String> {
        let (mut names, mut cursor) = (Vec::new(), None);
        loop {
            let (page, next) = pairs.page(cursor.as_ref(), limit, with_default);
            assert!(page.len() <= limit);
            names.extend(page.into_iter().map(|pair| pair.name));
            match next {
                None => return names,
                next => cursor = next,
            }
        }
    }

    #[test]
    fn pages_of_any_size_hold_each_key_pair_once() {
        let mut pairs = store();
        let whole = all(&pairs, 1_000, true);
        assert_eq!(whole.len(), 133);
        assert_eq!(&whole[..4], [DEFAULT_KEY_PAIR, "aa", "bb", "g-000001"]);
        assert_eq!(whole[132], "g-000130");
        for limit in [1, 2, 3, 64, 132, 133] {
            assert_eq!(all(&pairs, limit, true), whole, "{limit}");
            assert_eq!(all(&pairs, limit, false), whole[1..].to_vec(), "{limit}");
        }
        let (_, cursor) = pairs.page(None, 10, true);
        assert!(pairs.remove("bb").is_some() && pairs.remove("g-000001").is_some());
        let (page, _) = pairs.page(cursor.as_ref(), 10, true);
        assert_eq!(page[0].name, "g-000008", "what vanished before the page does not shift it");
    }

    #[test]
    fn a_removed_key_pair_is_gone_and_its_name_can_live_again() {
        let mut pairs = store();
        for name in ["aa", "g-000064", "g-000130"] {
            let before = pairs.get(name).unwrap();
            assert_eq!(pairs.remove(name).unwrap(), before);
            assert_eq!((pairs.get(name), pairs.remove(name)), (None, None));
            pairs.insert(name, Stored { born: 9, created_at: Some(5), ..Stored::default() });
            let reborn = pairs.get(name).unwrap();
            assert_ne!(reborn.arn, before.arn);
            assert_eq!(reborn.created_at, 5);
            assert_eq!(pairs.text(&pairs.name(name)), name);
        }
        assert_eq!(pairs.present(), 133);
        assert_eq!(size_of::<Name>(), 16);
    }
}
