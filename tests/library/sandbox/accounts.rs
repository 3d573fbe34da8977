//! A world of several accounts: who acts in which, roles, and credentials that expire.

use std::path::Path;
use std::time::Duration;

use aws_sdk_lightsail::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_lightsail::error::ProvideErrorMetadata as _;
use keybatch::sandbox::{Sandbox, SandboxOptions, Source, StateDir, TrailForm, World, start, write_trail};
use serde_json::Value;

use super::client::{look, loopback, sandbox, sandbox_in};

const WORLD: &str = r#"{
    "name": "several",
    "key_pairs": {"us-east-1": [{"name": "shared"}]},
    "accounts": {
        "111122223333": {
            "access_keys": {"SANDBOXA": {"user": "amelie"}, "SANDBOXBRIEF": {"expires_after_ms": 150}},
            "key_pairs": {"us-east-1": [{"name": "shared"}, {"name": "first"}]},
            "instances": [{"name": "web", "region": "us-east-1", "ssh_key_name": "first"}],
            "throttle": {"rate_per_s": 1000, "burst": 1000}
        },
        "444455556666": {
            "access_keys": {"SANDBOXB": {}, "SANDBOXFEW": {"expires_after_deletes": 2}},
            "roles": {
                "cleanup": {"external_id": "e-1", "trusts": ["111122223333"]},
                "brief": {"expires_after_ms": 150},
                "few": {"expires_after_deletes": 1}
            },
            "key_pairs": {"us-east-1": [{"name": "shared"}], "eu-central-1": [{"name": "second"}]},
            "generate": [{"region": "us-east-1", "prefix": "gen-", "count": 5}]
        }
    },
    "faults": [{"account": "444455556666", "on": "GetKeyPairs", "do": "throttle"}]
}"#;

fn credentials(id: &str, token: Option<&str>) -> Credentials {
    Credentials::new(id, "none", token.map(str::to_owned), None, "test")
}

fn lightsail(sandbox: &Sandbox, credentials: Credentials) -> aws_sdk_lightsail::Client {
    let config = aws_sdk_lightsail::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(sandbox.url())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .retry_config(aws_sdk_lightsail::config::retry::RetryConfig::disabled())
        .build();
    aws_sdk_lightsail::Client::from_conf(config)
}

fn sts(sandbox: &Sandbox, credentials: Credentials) -> aws_sdk_sts::Client {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(sandbox.url())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .retry_config(aws_sdk_sts::config::retry::RetryConfig::disabled())
        .build();
    aws_sdk_sts::Client::from_conf(config)
}

/// The ARN of the key pair `name`, or the code of the refusal.
async fn arn(client: &aws_sdk_lightsail::Client, name: &str) -> Result<String, String> {
    match client.get_key_pair().key_pair_name(name).send().await {
        Ok(output) => Ok(output.key_pair().unwrap().arn().unwrap().to_owned()),
        Err(error) => Err(error.code().unwrap_or_default().to_owned()),
    }
}

async fn delete(client: &aws_sdk_lightsail::Client, name: &str) -> Result<(), String> {
    let sent = client.delete_key_pair().key_pair_name(name).send().await;
    sent.map(drop).map_err(|error| error.code().unwrap_or_default().to_owned())
}

/// A session of `role` in account 444455556666, or the code of the refusal.
async fn session(client: &aws_sdk_sts::Client, role: &str, external_id: Option<&str>) -> Result<Credentials, String> {
    let call = client.assume_role().role_arn(format!("arn:aws:iam::444455556666:role/ops/{role}"));
    let call = call.role_session_name("me").set_external_id(external_id.map(str::to_owned));
    let output = call.send().await.map_err(|error| error.code().unwrap_or_default().to_owned())?;
    let given = output.credentials().unwrap();
    let until = std::time::SystemTime::try_from(*given.expiration()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "credentials are said to be valid until a time of the real clock")]
    let now = std::time::SystemTime::now();
    assert!(until <= now + Duration::from_secs(3_600) && until > now - Duration::from_secs(2));
    Ok(credentials(given.access_key_id(), Some(given.session_token())))
}

#[tokio::test]
async fn each_access_key_acts_in_its_own_account() {
    let sandbox = sandbox(WORLD).await;
    let mut arns = Vec::new();
    for (id, account, caller) in [
        ("SANDBOX", "000000000000", "sts::000000000000:assumed-role/keybatch-sandbox/rehearsal"),
        ("SANDBOXA", "111122223333", "iam::111122223333:user/amelie"),
        ("SANDBOXB", "444455556666", "sts::444455556666:assumed-role/keybatch-sandbox/rehearsal"),
        ("SANDBOX444455556666", "444455556666", "sts::444455556666:assumed-role/keybatch-sandbox/rehearsal"),
    ] {
        let identity = sts(&sandbox, credentials(id, None)).get_caller_identity().send().await.unwrap();
        assert_eq!(identity.account(), Some(account));
        assert_eq!(identity.arn(), Some(format!("arn:aws-sandbox:{caller}").as_str()));
        let arn = arn(&lightsail(&sandbox, credentials(id, None)), "shared").await.unwrap();
        assert!(arn.starts_with(&format!("arn:aws-sandbox:lightsail:us-east-1:{account}:KeyPair/")), "{arn}");
        arns.push(arn.rsplit('/').next().unwrap().to_owned());
    }
    assert_eq!(arns[2], arns[3]);
    arns.dedup();
    assert_eq!(arns.len(), 3, "one name is another key pair in each account: {arns:?}");
}

#[tokio::test]
async fn accounts_share_nothing() {
    let sandbox = sandbox(WORLD).await;
    let [a, b] = ["SANDBOXA", "SANDBOXB"].map(|id| lightsail(&sandbox, credentials(id, None)));
    let deleted = a.delete_key_pair().key_pair_name("shared").send().await.unwrap();
    assert_eq!(arn(&a, "shared").await.unwrap_err(), "DoesNotExist");
    assert!(arn(&b, "shared").await.is_ok());
    let id = deleted.operation().unwrap().id().unwrap();
    assert!(a.get_operation().operation_id(id).send().await.is_ok());
    assert!(b.get_operation().operation_id(id).send().await.is_err(), "another account's operation");
    assert_eq!(a.get_instances().send().await.unwrap().instances().len(), 1);
    assert!(b.get_instances().send().await.unwrap().instances().is_empty());
    assert!(a.get_key_pairs().send().await.is_ok(), "the fault is for the other account");
    assert_eq!(b.get_key_pairs().send().await.unwrap_err().code(), Some("ThrottlingException"));
    let stats = sandbox.stats();
    assert_eq!((stats.present["us-east-1"], stats.effects.deleted), (8, 1));
    assert_eq!(stats.accounts["111122223333"].effects.deleted, 1);
    assert_eq!(stats.accounts["111122223333"].present["us-east-1"], 1);
    assert_eq!(stats.accounts["444455556666"].effects.deleted, 0);
    assert_eq!((stats.names[0].account.as_str(), stats.names[0].name.as_str()), ("111122223333", "shared"));
    let world = look(sandbox.addr(), "/_sandbox/world").await.body;
    let pairs: Vec<Value> = world.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |account: &str| pairs.iter().filter(|pair| pair["account"] == account).count();
    assert_eq!((of("000000000000"), of("111122223333"), of("444455556666")), (1, 1, 7));
}

#[tokio::test]
async fn an_access_key_of_nobody_is_refused_as_by_aws() {
    let sandbox = sandbox(WORLD).await;
    let nobody = credentials("AKIDEXAMPLE", None);
    assert_eq!(arn(&lightsail(&sandbox, nobody.clone()), "shared").await.unwrap_err(), "UnrecognizedClientException");
    let refused = sts(&sandbox, nobody).get_caller_identity().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidClientTokenId"));
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 403);
}

#[tokio::test]
async fn a_role_is_given_to_those_whom_it_trusts() {
    let sandbox = sandbox(WORLD).await;
    let [a, b] = ["SANDBOXA", "SANDBOXB"].map(|id| sts(&sandbox, credentials(id, None)));
    for (client, role, external_id) in
        [(&a, "cleanup", None), (&a, "cleanup", Some("e-2")), (&b, "cleanup", Some("e-1")), (&a, "nobody", None)]
    {
        assert_eq!(session(client, role, external_id).await.unwrap_err(), "AccessDenied");
    }
    let given = session(&a, "cleanup", Some("e-1")).await.unwrap();
    let identity = sts(&sandbox, given.clone()).get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some("444455556666"));
    assert_eq!(identity.arn(), Some("arn:aws-sandbox:sts::444455556666:assumed-role/cleanup/me"));
    assert!(identity.user_id().unwrap().ends_with(":me"));
    assert!(arn(&lightsail(&sandbox, given.clone()), "shared").await.unwrap().contains(":444455556666:"));
    for token in [None, Some("sandbox-session-of-another")] {
        let stolen = lightsail(&sandbox, credentials(given.access_key_id(), token));
        assert_eq!(arn(&stolen, "shared").await.unwrap_err(), "UnrecognizedClientException", "{token:?}");
    }
    let short = a.assume_role().role_arn("arn:aws:iam::444455556666:role/few").role_session_name("me");
    assert_eq!(short.clone().duration_seconds(10).send().await.unwrap_err().code(), Some("ValidationError"));
    assert!(short.duration_seconds(900).send().await.is_ok());
}

#[tokio::test]
async fn credentials_expire_when_the_world_says_so() {
    let sandbox = sandbox(WORLD).await;
    let a = sts(&sandbox, credentials("SANDBOXA", None));
    let few = lightsail(&sandbox, credentials("SANDBOXFEW", None));
    for (name, expected) in
        [("gen-000001", Ok(())), ("gen-000002", Ok(())), ("gen-000003", Err("ExpiredTokenException".to_owned()))]
    {
        assert_eq!(delete(&few, name).await, expected);
    }
    let expired = sts(&sandbox, credentials("SANDBOXFEW", None)).get_caller_identity().send().await.unwrap_err();
    assert_eq!((expired.code(), expired.raw_response().unwrap().status().as_u16()), (Some("ExpiredToken"), 403));
    assert_eq!(delete(&lightsail(&sandbox, credentials("SANDBOXB", None)), "gen-000003").await, Ok(()), "another key");
    let brief = lightsail(&sandbox, credentials("SANDBOXBRIEF", None));
    let brief_role = lightsail(&sandbox, session(&a, "brief", None).await.unwrap());
    let few_role = lightsail(&sandbox, session(&a, "few", None).await.unwrap());
    assert!(arn(&brief, "first").await.is_ok() && arn(&brief_role, "gen-000004").await.is_ok());
    assert_eq!(delete(&few_role, "gen-000004").await, Ok(()));
    assert_eq!(delete(&few_role, "gen-000005").await, Err("ExpiredTokenException".to_owned()));
    tokio::time::sleep(Duration::from_millis(200)).await;
    for client in [&brief, &brief_role] {
        assert_eq!(arn(client, "first").await.unwrap_err(), "ExpiredTokenException");
    }
    let again = lightsail(&sandbox, session(&a, "few", None).await.unwrap());
    assert_eq!(delete(&again, "gen-000005").await, Ok(()), "a new session is another caller");
}

#[tokio::test]
async fn sessions_and_accounts_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox_in(StateDir::create(dir.path(), World::parse(WORLD).unwrap()).unwrap()).await;
    let given = session(&sts(&sandbox, credentials("SANDBOXA", None)), "cleanup", Some("e-1")).await.unwrap();
    assert_eq!(delete(&lightsail(&sandbox, given.clone()), "shared").await, Ok(()));
    let few = credentials("SANDBOXFEW", None);
    for name in ["gen-000001", "gen-000002"] {
        assert_eq!(delete(&lightsail(&sandbox, few.clone()), name).await, Ok(()));
    }
    let (stats, world) = (sandbox.stats(), look(sandbox.addr(), "/_sandbox/world").await.body);
    sandbox.stop().await;
    let record = std::fs::read_to_string(dir.path().join("record.jsonl")).unwrap();
    let secrets = ["SANDBOXA", "SANDBOXFEW", given.access_key_id(), given.session_token().unwrap()];
    assert!(secrets.iter().all(|secret| !record.contains(secret)), "{record}");
    assert!(record.contains(r#""account":"444455556666""#) && record.contains(r#""operation":"AssumeRole""#));
    let sandbox = sandbox_in(StateDir::open(dir.path()).unwrap()).await;
    assert_eq!(sandbox.stats(), stats);
    assert_eq!(look(sandbox.addr(), "/_sandbox/world").await.body, world);
    assert_eq!(delete(&lightsail(&sandbox, given), "gen-000003").await, Ok(()), "the session goes on");
    assert_eq!(delete(&lightsail(&sandbox, few), "gen-000004").await, Ok(()), "a restart renews access keys");
}

/// CloudTrail's records name whoever asked: the ARN that GetCallerIdentity answers, and what that is.
#[tokio::test]
async fn records_name_the_user_or_the_role_that_asked() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = sandbox_in(StateDir::create(dir.path(), World::parse(WORLD).unwrap()).unwrap()).await;
    let mut expected = Vec::new();
    let of_role = session(&sts(&sandbox, credentials("SANDBOXA", None)), "cleanup", Some("e-1")).await.unwrap();
    for (id, name, kind) in [
        (credentials("SANDBOXA", None), "first", "IAMUser"),
        (credentials("SANDBOXB", None), "gen-000001", "AssumedRole"),
        (of_role, "gen-000002", "AssumedRole"),
        (credentials("SANDBOX", None), "shared", "AssumedRole"),
    ] {
        let identity = sts(&sandbox, id.clone()).get_caller_identity().send().await.unwrap();
        assert_eq!(delete(&lightsail(&sandbox, id), name).await, Ok(()), "{name}");
        expected.push((name.to_owned(), kind.to_owned(), identity.arn().unwrap().to_owned()));
    }
    sandbox.stop().await;
    let record = std::fs::read_to_string(dir.path().join("record.jsonl")).unwrap();
    assert!(record.contains(r#""caller_arn":"arn:aws-sandbox:iam::111122223333:user/amelie""#), "{record}");
    assert!(!record.contains("keybatch-sandbox/rehearsal"), "the role of rehearsals goes without saying: {record}");
    let out = dir.path().join("trail");
    write_trail(dir.path(), &out, TrailForm::Lines, false).unwrap();
    let lines = std::fs::read_to_string(out.join("records.jsonl")).unwrap();
    let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let deletes = records.iter().filter(|record| record["eventName"] == "DeleteKeyPair");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut said: Vec<_> = deletes
        .map(|record| {
            let who = &record["userIdentity"];
            assert_eq!(who["accountId"], who["arn"].as_str().unwrap().split(':').nth(4).unwrap());
            (text(&record["requestParameters"]["keyPairName"]), text(&who["type"]), text(&who["arn"]))
        })
        .collect();
    said.sort();
    expected.sort();
    assert_eq!(said, expected);
    assert!(expected.iter().any(|(.., arn)| arn.ends_with("assumed-role/cleanup/me")), "{expected:?}");
}

#[tokio::test]
async fn the_regions_of_the_world_are_listed() {
    let listed = async |world: &str| {
        let sandbox = sandbox(world).await;
        let output = lightsail(&sandbox, credentials("SANDBOX", None)).get_regions().send().await.unwrap();
        assert!(
            output.regions().iter().all(|region| region.display_name().is_some() && region.continent_code().is_some())
        );
        output.regions().iter().map(|region| region.name().unwrap().as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(WORLD).await, ["eu-central-1", "us-east-1"]);
    assert_eq!(listed(r#"{"name":"empty"}"#).await, ["us-east-1"]);
    assert_eq!(listed(r#"{"name":"said","regions":["xx-new-9","sa-east-1"]}"#).await, ["xx-new-9", "sa-east-1"]);
}

#[tokio::test]
async fn the_sample_of_three_accounts_has_what_its_manifest_names() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let world = World::load(&samples.join("three-accounts.world.json")).unwrap();
    let sandbox = start(SandboxOptions { addr: loopback(), source: Source::Memory(world) }).await.unwrap();
    let here = look(sandbox.addr(), "/_sandbox/world").await.body;
    let here: Vec<Value> = here.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut rows = csv::Reader::from_path(samples.join("three-accounts.csv")).unwrap();
    let mut counted = 0;
    for row in rows.records().map(|row| row.unwrap()) {
        counted += 1;
        let is_it = |pair: &&Value| pair["account"] == row[0] && pair["region"] == row[1] && pair["name"] == row[2];
        assert_eq!(here.iter().filter(is_it).count(), 1, "{row:?}");
    }
    assert_eq!((counted, here.len()), (13, 17));
    let old = lightsail(&sandbox, credentials("SANDBOXOLDKEY", None));
    let config = |config: aws_sdk_lightsail::config::Builder| config.region(Region::new("eu-central-1"));
    let mut refused = 0;
    for name in ["demo_2022", "demo_2023", "contractor-amelie", "contractor-jonas"] {
        let call = old.delete_key_pair().key_pair_name(name).customize();
        let call = call.config_override(config(aws_sdk_lightsail::config::Builder::new()));
        refused += u32::from(call.send().await.is_err_and(|error| error.code() == Some("ExpiredTokenException")));
    }
    assert_eq!(refused, 1, "half-way");
}
