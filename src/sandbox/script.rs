//! The fault script in operation.
//!
//! Every rule counts the requests that match it; if several want the same request, the first in the file gets it.
//! The counters are its only state, so a replayed record affects the same requests.

use std::collections::HashMap;
use std::sync::Arc;

use super::call::Operation;
use super::fault::{Fault, Nth};

/// The script with its counters.
#[derive(Debug, Default)]
pub(super) struct Script {
    rules: Vec<(Arc<Fault>, u64)>,
    /// Rules by operation and name, so that a long script does not slow down every request.
    index: HashMap<(Operation, Option<String>), Vec<usize>>,
}

impl Script {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        let mut script = Self::default();
        for (number, fault) in faults.into_iter().enumerate() {
            script.index.entry((fault.on, fault.name.clone())).or_default().push(number);
            script.rules.push((Arc::new(fault), 0));
        }
        script
    }

    /// Counts this request in every rule that it matches; returns the first one that wants it.
    pub(super) fn strike(
        &mut self,
        operation: Operation,
        (account, region): (&str, &str),
        name: Option<&str>,
    ) -> Option<Arc<Fault>> {
        if self.rules.is_empty() {
            return None;
        }
        let mut struck: Option<usize> = None;
        let keys = [Some((operation, None)), name.map(|name| (operation, Some(name.to_owned())))];
        for key in keys.into_iter().flatten() {
            for &number in self.index.get(&key).into_iter().flatten() {
                let (fault, seen) = &mut self.rules[number];
                let elsewhere =
                    |wanted: &Option<String>, here: &str| wanted.as_ref().is_some_and(|wanted| wanted != here);
                if elsewhere(&fault.account, account) || elsewhere(&fault.region, region) {
                    continue;
                }
                *seen += 1;
                let wanted = match &fault.nth {
                    Nth::Every => true,
                    Nth::These(list) => list.contains(seen),
                };
                if wanted {
                    struck = Some(struck.map_or(number, |first| first.min(number)));
                }
            }
        }
        struck.map(|number| Arc::clone(&self.rules[number].0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault::Kind;
    use super::*;

    fn fault(json: &str) -> Fault {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_nth_request_of_a_name_is_struck_and_the_first_rule_wins() {
        let mut script = Script::new(vec![
            fault(r#"{"name":"a","nth":[2,3],"do":"throttle"}"#),
            fault(r#"{"region":"r","nth":"every","do":"cut_before"}"#),
            fault(r#"{"account":"1","nth":"every","do":"hang"}"#),
        ]);
        let mut strike_in = |account: &str, region: &str, name: &str| {
            script.strike(Operation::DeleteKeyPair, (account, region), Some(name)).map(|fault| fault.kind)
        };
        assert_eq!(strike_in("1", "q", "b"), Some(Kind::Hang));
        let mut strike = |region: &str, name: &str| strike_in("0", region, name);
        assert_eq!(strike("q", "a"), None);
        assert_eq!(strike("q", "a"), Some(Kind::Throttle));
        assert_eq!(strike("r", "a"), Some(Kind::Throttle));
        assert_eq!(strike("r", "a"), Some(Kind::CutBefore));
        assert_eq!(strike("q", "b"), None);
    }
}
