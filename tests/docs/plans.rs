//! The seal of a plan, with every field set.

use keybatch::record::event::{ManifestIngested, PlanSealed, TargetInventory};
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
