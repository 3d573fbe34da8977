//! The seal of a plan with every field set, and signatures over one.

use keybatch::record::Event;
use keybatch::record::approval::Role;
use keybatch::record::event::{ManifestIngested, PlanApproved, PlanSealed, PlanSigned, TargetInventory};
use keybatch::record::plan::{PlanCaller, PlanHeader, PlanManifest, PlanSeal, TargetVerdicts};

pub(super) fn sealed(manifest: &ManifestIngested, digest: &str, root: &str) -> PlanSealed {
    PlanSealed {
        header: PlanHeader {
            schema: "keybatch.plan/1".into(),
            action: "lightsail:DeleteKeyPair".into(),
            plan_id: "0198c0de-0000-7000-8000-00000000000c".into(),
            made_at: "2026-09-21T14:13:20.000000Z".into(),
            made_by: "amelie@bastion".into(),
            expires_at: Some("2026-09-24T14:13:20.000000Z".into()),
            ticket: Some("SEC-1412".into()),
            reason: Some("quarterly clean-up".into()),
            manifest: PlanManifest::from(manifest),
            endpoint: "https://lightsail.{region}.amazonaws.com".into(),
            callers: vec![PlanCaller {
                account: "111122223333".into(),
                arn: "arn:aws:sts::111122223333:assumed-role/cleanup/amelie".into(),
            }],
            settings: [("if_in_use".to_owned(), "warn".to_owned())].into(),
            policy_sha256: Some(digest.into()),
            version: "0.1.0".into(),
        },
        seal: PlanSeal {
            schema: "keybatch.plan.seal/1".into(),
            rows: 1,
            targets: vec![TargetVerdicts {
                account: "111122223333".into(),
                region: "eu-central-1".into(),
                deletes: 1,
                skips: 0,
                absents: 0,
            }],
            root: root.into(),
            rows_root: root.into(),
        },
        targets: vec![TargetInventory {
            account: "111122223333".into(),
            region: "eu-central-1".into(),
            key_pairs: 40,
            pages: 1,
            instances: Some(3),
        }],
    }
}

const KEY: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
const SIGNATURE: &str = "-----BEGIN SSH SIGNATURE-----\n…\n-----END SSH SIGNATURE-----\n";

/// Somebody approved the plan of that root.
pub(crate) fn approved(root: &str) -> Event {
    let (signer, plan_root) = ("bob@example.com".into(), root.into());
    Event::PlanApproved(PlanApproved { signer, plan_root, key: KEY.into(), signature: SIGNATURE.into() })
}

/// Its maker signed it.
pub(crate) fn signed(root: &str) -> Event {
    let (role, plan_root) = (Role::Maker, root.into());
    Event::PlanSigned(PlanSigned { role, plan_root, key: KEY.into(), signature: SIGNATURE.into() })
}
