//! Signatures over a plan's file: each must sign the plan that is sealed, by a person and a key of its own. Whether those persons may
//! approve, only the reviewer's own list of signers says.

use super::trouble::Trouble;
use crate::record::approval::{self, MOST_APPROVALS, PLAN_NAMESPACE, Presented, Principal, Role};
use crate::record::event::{PlanApproved, PlanSigned};
use crate::record::plan::{PlanHeader, PlanSeal};
use crate::record::ssh::{PublicKey, Signature, Verification};

/// The approvals of a run's plan.
#[derive(Debug, Clone, Default)]
pub(in crate::verify) struct Approvals {
    /// What was signed; nothing where a run made its own plan, which nobody can have approved.
    pub(in crate::verify) text: Option<String>,
    /// The plan's root.
    root: String,
    /// The signatures.
    pub(in crate::verify) presented: Vec<Presented>,
    keys: Vec<PublicKey>,
    /// Those of its maker and of the sessions that signed it. None of them approves it.
    parties: Vec<PublicKey>,
    /// The signature of the plan's maker.
    pub(in crate::verify) maker: Option<String>,
    /// That of the session that signed last.
    pub(in crate::verify) session: Option<String>,
}

impl Approvals {
    pub(super) fn of(header: &PlanHeader, seal: &PlanSeal) -> Self {
        let text = header.expires_at.is_some().then(|| approval::text(header, seal));
        Self { text, root: seal.root.clone(), ..Self::default() }
    }

    pub(super) fn add(&mut self, approved: &PlanApproved) -> Result<(), Trouble> {
        let Some(text) = &self.text else { return Err("a run's own plan is not approved by anybody".into()) };
        let no_approval = |why: &str| Trouble::Illegal(format!("it is no approval of the plan: {why}"));
        let illegal = |why: &str| Err(no_approval(why));
        let Ok(principal) = approved.signer.parse::<Principal>() else { return illegal("it names no person") };
        if approved.plan_root != self.root {
            return illegal("it names another plan's root");
        }
        let key =
            signer_of(text, PLAN_NAMESPACE, &approved.signature, &approved.key).map_err(|why| no_approval(&why))?;
        if self.keys.iter().any(|other| other.is_same_key(&key)) {
            return illegal("its key has approved already");
        }
        if self.parties.iter().any(|party| party.is_same_key(&key)) {
            return illegal("its key is that of the plan's maker, or of a session");
        }
        if self.presented.iter().any(|other| other.named.as_ref() == Some(&principal)) {
            return illegal("its person has approved already");
        }
        if self.keys.len() >= MOST_APPROVALS as usize {
            return illegal("there are too many");
        }
        self.keys.push(key);
        let from = format!("the approval of {principal}");
        self.presented.push(Presented { from, named: Some(principal), text: approved.signature.clone() });
        Ok(())
    }

    /// Its maker, or a session that executes it, signed it.
    pub(super) fn sign(&mut self, signed: &PlanSigned) -> Result<(), Trouble> {
        let Some(text) = &self.text else { return Err("a run's own plan is not signed by anybody".into()) };
        let illegal = |why: &str| Trouble::Illegal(format!("it is no signature of the plan: {why}"));
        if signed.plan_root != self.root {
            return Err(illegal("it names another plan's root"));
        }
        let key = signer_of(text, signed.role.namespace(), &signed.signature, &signed.key);
        let key = key.map_err(|why| illegal(&why))?;
        if self.keys.iter().any(|approved| approved.is_same_key(&key)) {
            return Err(illegal("its key approved the plan"));
        }
        let own = match signed.role {
            Role::Maker if self.maker.is_some() => return Err(illegal("its maker has signed it already")),
            Role::Maker => &mut self.maker,
            Role::Session => &mut self.session,
        };
        *own = Some(signed.signature.clone());
        if !self.parties.iter().any(|party| party.is_same_key(&key)) {
            self.parties.push(key);
        }
        Ok(())
    }
}

impl Approvals {
    /// Whether the plan is executed under four eyes: then its maker and each session that executes it have signed it.
    pub(super) fn are_apart(&self) -> bool {
        self.maker.is_some() || self.session.is_some()
    }

    /// Whether a run may be started with what was signed.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        if self.maker.is_some() == self.session.is_some() {
            return Ok(());
        }
        Err("the plan is signed by one of its maker and its session, and not by the other".into())
    }
}

/// The key of a signature, if it signs `text` for that namespace with the key that is named.
fn signer_of(text: &str, namespace: &str, signature: &str, named: &str) -> Result<PublicKey, String> {
    let signature = Signature::parse(signature).map_err(|error| error.to_string())?;
    if let Verification::Bad(bad) = signature.verify(namespace, text.as_bytes()) {
        return Err(bad.to_string());
    }
    let key = signature.key();
    if key.fingerprint() != named {
        return Err("its signature was made with another key than it names".into());
    }
    Ok(key.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ssh::tests as samples;

    /// Approvals of a plan whose text is that which the samples sign.
    fn approvals() -> Approvals {
        let text = String::from_utf8(samples::TEXT.to_vec()).unwrap();
        Approvals { text: Some(text), root: "root".into(), ..Approvals::default() }
    }

    fn by(sample: &samples::Sample, signer: &str) -> PlanApproved {
        let (key, signature) = (sample.fingerprint.into(), sample.text());
        PlanApproved { signer: signer.into(), plan_root: "root".into(), key, signature }
    }

    #[test]
    fn each_approval_signs_the_plan_by_a_person_and_a_key_of_its_own() {
        let (one, other) = (&samples::ED25519, &samples::ECDSA_256);
        let mut all = approvals();
        all.add(&by(one, "anna@example.com")).unwrap();
        all.add(&by(other, "ben@example.com")).unwrap();
        assert_eq!(all.presented.len(), 2);
        let refused = |text: Option<&str>, second: PlanApproved| {
            let mut all = approvals();
            all.add(&by(one, "anna@example.com")).unwrap();
            all.text = text.map(str::to_owned);
            all.add(&second).is_err()
        };
        let signed = std::str::from_utf8(samples::TEXT).ok();
        assert!(!refused(signed, by(other, "ben@example.com")));
        assert!(refused(Some("another plan\n"), by(other, "ben@example.com")), "exchanged");
        assert!(refused(None, by(other, "ben@example.com")), "nobody approves what a run plans for itself");
        assert!(refused(signed, by(other, "anna@example.com")), "one person twice");
        assert!(refused(signed, by(one, "ben@example.com")), "one key twice");
        assert!(refused(signed, by(other, "no body")), "no person");
        let forged = PlanApproved { key: one.fingerprint.into(), ..by(other, "ben@example.com") };
        assert!(refused(signed, forged), "another key");
        let of_another = PlanApproved { plan_root: "other".into(), ..by(other, "ben@example.com") };
        assert!(refused(signed, of_another), "another plan");
        let cut = PlanApproved { signature: other.text().replace('A', "B"), ..by(other, "ben@example.com") };
        assert!(refused(signed, cut), "no signature");
    }
}
