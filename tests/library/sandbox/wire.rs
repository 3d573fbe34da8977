//! Each operation, its pages and its errors, in the form in which the real service has them.

use aws_sdk_lightsail::error::ProvideErrorMetadata;
use aws_sdk_lightsail::operation::RequestId;
use keybatch::sandbox::{SandboxError, SandboxOptions, Source, World, start};

use super::client::{SCOPE, ask, delete, look, sandbox, sdk, send, there};

const WORLD: &str = r#"{
    "name": "wire",
    "page_size": 2,
    "error_header": "never",
    "key_pairs": {
        "us-east-1": [
            {"name": "alpha", "tags": {"team": "red"}, "created_at": "2020-10-22T17:50:01.123Z"},
            {"name": "beta", "fingerprint": "aa:bb"},
            {"name": "gamma"}, {"name": "delta"}, {"name": "locked", "tags": {"keep": "yes"}},
            {"name": "LightsailDefaultKeyPair", "fingerprint": "dd:ee"}
        ],
        "eu-central-1": [{"name": "alpha"}]
    },
    "generate": [{"region": "us-east-1", "prefix": "gen-", "count": 3}],
    "instances": [
        {"name": "web-1", "region": "us-east-1", "ssh_key_name": "alpha"},
        {"name": "web-2", "region": "us-east-1"},
        {"name": "web-3", "region": "us-east-1", "ssh_key_name": "beta", "state": "stopped"},
        {"name": "web-4", "region": "eu-central-1", "ssh_key_name": "alpha"}
    ],
    "deny": {"tags": {"keep": "*"}, "operations": ["lightsail:GetOperations"]}
}"#;

#[tokio::test]
async fn a_key_pair_is_listed_read_deleted_and_its_operation_found() {
    let sandbox = sandbox(WORLD).await;
    let client = sdk(&sandbox, "us-east-1");
    let read = client.get_key_pair().key_pair_name("alpha").send().await.unwrap().key_pair.unwrap();
    assert!(read.arn().unwrap().starts_with("arn:aws-sandbox:lightsail:us-east-1:000000000000:KeyPair/"));
    assert_eq!(read.created_at().unwrap().secs(), 1_603_389_001);
    assert_eq!(read.tags()[0].key(), Some("team"));
    assert_eq!(read.location().unwrap().region_name().unwrap().as_str(), "us-east-1");

    let deleted = client.delete_key_pair().key_pair_name("alpha").send().await.unwrap();
    assert!(deleted.request_id().is_some());
    let operation = deleted.operation.unwrap();
    assert_eq!(operation.is_terminal(), Some(true));
    assert_eq!(operation.operation_type().unwrap().as_str(), "DeleteKeyPair");
    assert!(["Succeeded", "Completed"].contains(&operation.status().unwrap().as_str()));

    let found = client.get_operation().operation_id(operation.id().unwrap()).send().await.unwrap();
    assert_eq!(found.operation().unwrap().resource_name(), Some("alpha"));
    let history = client.get_operations_for_resource().resource_name("alpha").send().await.unwrap();
    assert_eq!(history.operations()[0].id(), operation.id());

    let gone = client.get_key_pair().key_pair_name("alpha").send().await.unwrap_err();
    assert_eq!(gone.code(), Some("DoesNotExist"), "the body's code, not its type, is what the SDK shows");
    assert!(!gone.into_service_error().is_not_found_exception());
    let elsewhere = sdk(&sandbox, "eu-central-1").get_key_pair().key_pair_name("alpha").send().await;
    assert!(elsewhere.is_ok(), "another region's key pair of the same name is another key pair");
    assert_eq!(sandbox.stats().effects.deleted, 1);
    sandbox.stop().await;
}

#[tokio::test]
async fn pages_hold_everything_once_and_the_default_key_pair_only_if_asked_for() {
    let sandbox = sandbox(WORLD).await;
    for (with_default, count) in [(false, 8), (true, 9)] {
        let (mut names, mut token) = (Vec::new(), String::new());
        loop {
            let token_field = if token.is_empty() { String::new() } else { format!(r#","pageToken":"{token}""#) };
            let body = format!(r#"{{"includeDefaultKeyPair":{with_default}{token_field}}}"#);
            let page = ask(sandbox.addr(), "GetKeyPairs", &body).await.answer().json();
            let pairs = page["keyPairs"].as_array().unwrap();
            assert!(pairs.len() <= 2);
            names.extend(pairs.iter().map(|pair| pair["name"].as_str().unwrap().to_owned()));
            match page["nextPageToken"].as_str() {
                Some(next) => token = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(names.len(), count, "{names:?}");
        assert_eq!(names.contains(&"LightsailDefaultKeyPair".to_owned()), with_default);
        names.dedup();
        assert_eq!(names.len(), count);
    }
    let bad = ask(sandbox.addr(), "GetKeyPairs", r#"{"pageToken":"nonsense!"}"#).await.answer();
    assert_eq!(bad.error(), "InvalidInputException");
}

#[tokio::test]
async fn operations_and_instances_are_paged_too() {
    let sandbox = sandbox(&WORLD.replace("\"lightsail:GetOperations\"", "")).await;
    let addr = sandbox.addr();
    for _ in 0..3 {
        assert_eq!(delete(addr, "gamma").await.answer().status, 200);
        let created = ask(addr, "CreateKeyPair", r#"{"keyPairName":"gamma"}"#).await.answer();
        assert_eq!(created.status, 200);
    }
    for (operation, body) in
        [("GetOperationsForResource", r#""resourceName":"gamma""#), ("GetOperations", r#""ignored":1"#)]
    {
        let (mut ids, mut token) = (Vec::new(), None::<String>);
        loop {
            let page = token.map(|token| format!(r#","pageToken":"{token}""#)).unwrap_or_default();
            let page = ask(addr, operation, &format!("{{{body}{page}}}")).await.answer().json();
            for operation in page["operations"].as_array().unwrap() {
                ids.push((operation["createdAt"].as_f64().unwrap(), operation["id"].as_str().unwrap().to_owned()));
            }
            token = page["nextPageToken"].as_str().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        assert_eq!(ids.len(), 6, "{operation}");
        assert!(ids.is_sorted_by(|one, next| one.0 <= next.0), "oldest first");
    }
    let page = ask(addr, "GetInstances", "{}").await.answer().json();
    assert_eq!(page["instances"].as_array().unwrap().len(), 2);
    assert_eq!(page["instances"][0]["sshKeyName"], "alpha");
    let token = page["nextPageToken"].as_str().unwrap();
    let page = ask(addr, "GetInstances", &format!(r#"{{"pageToken":"{token}"}}"#)).await.answer().json();
    assert_eq!(page["instances"][0]["state"]["name"], "stopped");
    assert!(page["nextPageToken"].is_null());
}

#[tokio::test]
async fn created_keys_are_no_keys_and_imported_material_keeps_its_fingerprint() {
    let sandbox = sandbox(WORLD).await;
    let addr = sandbox.addr();
    let body = r#"{"keyPairName":"fresh","tags":[{"key":"a","value":"b"}]}"#;
    let created = ask(addr, "CreateKeyPair", body).await.answer().json();
    assert_eq!(created["keyPair"]["tags"][0]["value"], "b");
    assert!(created["privateKeyBase64"].as_str().unwrap().contains("not a private key"));
    assert!(created["publicKeyBase64"].as_str().unwrap().contains("NOT-A-PUBLIC-KEY"));
    assert_eq!(created["operation"]["operationType"], "CreateKeyPair");
    let again = ask(addr, "CreateKeyPair", body).await.answer();
    assert_eq!(again.error(), "InvalidInputException");
    let mut fingerprints = Vec::new();
    for name in ["copy-1", "copy-2"] {
        let body = format!(r#"{{"keyPairName":"{name}","publicKeyBase64":"ssh-ed25519 AAAA"}}"#);
        let imported = ask(addr, "ImportKeyPair", &body).await.answer().json();
        assert_eq!(imported["operation"]["operationType"], "ImportKeyPair");
        let read = ask(addr, "GetKeyPair", &format!(r#"{{"keyPairName":"{name}"}}"#)).await.answer().json();
        fingerprints.push(read["keyPair"]["fingerprint"].clone());
    }
    assert_eq!(fingerprints[0], fingerprints[1]);
    let without = ask(addr, "ImportKeyPair", r#"{"keyPairName":"copy-3"}"#).await.answer();
    assert_eq!(without.error(), "InvalidInputException");
}

#[tokio::test]
async fn fingerprints_are_compared_and_the_default_key_pair_needs_one() {
    let sandbox = sandbox(WORLD).await;
    let addr = sandbox.addr();
    let ask_delete = async |name: &str, fingerprint: &str| {
        let body = format!(r#"{{"keyPairName":"{name}","expectedFingerprint":"{fingerprint}"}}"#);
        ask(addr, "DeleteKeyPair", &body).await.answer()
    };
    assert_eq!(delete(addr, "LightsailDefaultKeyPair").await.answer().error(), "InvalidInputException");
    assert_eq!(ask_delete("LightsailDefaultKeyPair", "no").await.error(), "InvalidInputException");
    assert_eq!(ask_delete("beta", "no").await.error(), "InvalidInputException");
    assert_eq!(sandbox.stats().effects.deleted, 0);
    assert_eq!(ask_delete("LightsailDefaultKeyPair", "dd:ee").await.status, 200);
    assert_eq!(ask_delete("beta", "aa:bb").await.status, 200);
    assert_eq!(sandbox.stats().effects.deleted, 2);
}

#[tokio::test]
async fn every_error_has_its_wire_form() {
    let sandbox = sandbox(WORLD).await;
    let addr = sandbox.addr();
    for (operation, body, kind, code) in [
        ("DeleteKeyPair", r#"{"keyPairName":"nobody"}"#, "NotFoundException", "DoesNotExist"),
        ("GetKeyPair", r#"{"keyPairName":"nobody"}"#, "NotFoundException", "DoesNotExist"),
        (
            "GetOperation",
            r#"{"operationId":"b2e1b9a0-1d5c-4f57-8a7e-0a1b2c3d4e5f"}"#,
            "NotFoundException",
            "DoesNotExist",
        ),
        ("GetOperationsForResource", r#"{"resourceName":"nobody"}"#, "NotFoundException", "DoesNotExist"),
        ("DeleteKeyPair", "{}", "InvalidInputException", "InvalidInput"),
        ("DeleteKeyPair", r#"{"keyPairName":"-x-"}"#, "InvalidInputException", "InvalidInput"),
        ("GetKeyPair", r#"{"keyPairName":"x"}"#, "InvalidInputException", "InvalidInput"),
        ("DeleteKeyPair", r#"{"keyPairName":"locked"}"#, "AccessDeniedException", "AccessDenied"),
        ("GetOperations", "{}", "AccessDeniedException", "AccessDenied"),
    ] {
        let answer = ask(addr, operation, body).await.answer();
        let json = answer.json();
        assert_eq!((answer.status, json["__type"].as_str()), (400, Some(kind)), "{operation} {body}");
        assert_eq!(json["code"], code);
        for field in ["docs", "message", "tip"] {
            assert!(json[field].is_string(), "{field} in {json}");
        }
        assert!(answer.header("x-amzn-requestid").is_some());
        assert!(answer.header("x-amzn-errortype").is_none());
    }
    for (operation, body, kind) in [
        ("DeleteEverything", "{}", "UnknownOperationException"),
        ("GetCallerIdentity", "{}", "UnknownOperationException"),
        ("DeleteKeyPair", r#"{"keyPairName":7}"#, "SerializationException"),
        ("DeleteKeyPair", "nonsense", "SerializationException"),
    ] {
        assert_eq!(ask(addr, operation, body).await.answer().error(), kind, "{operation} {body}");
    }
    let target = "X-Amz-Target: Lightsail_20161128.GetKeyPairs\r\n";
    let unsigned = send(addr, "POST /", target, "{}").await.answer();
    assert_eq!((unsigned.status, unsigned.error().as_str()), (403, "MissingAuthenticationTokenException"));
    assert_eq!(unsigned.json()["code"], "MissingAuthenticationToken");
    let badly = send(addr, "POST /", &format!("{target}Authorization: Bearer x\r\n"), "{}").await.answer();
    assert_eq!(badly.error(), "InvalidSignatureException");
    assert!(there(addr, "locked").await.is_some());
}

#[tokio::test]
async fn the_error_header_comes_when_the_world_wants_it() {
    for (wanted, expected) in [("never", [false; 4]), ("always", [true; 4]), ("alternate", [false, true, false, true])]
    {
        let sandbox = sandbox(&format!(r#"{{"name":"hh","error_header":"{wanted}"}}"#)).await;
        let mut seen = [false; 4];
        for seen in &mut seen {
            let answer = delete(sandbox.addr(), "nobody").await.answer();
            let header = answer.header("x-amzn-errortype");
            *seen =
                header.is_some_and(|value| value.starts_with("NotFoundException:http://internal.amazon.com/coral/"));
        }
        assert_eq!(seen, expected, "{wanted}");
        let error = sdk(&sandbox, "us-east-1").delete_key_pair().key_pair_name("nobody").send().await.unwrap_err();
        assert_eq!(error.into_service_error().is_not_found_exception(), wanted == "always");
    }
}

#[tokio::test]
async fn times_come_in_both_number_forms() {
    let sandbox = sandbox(WORLD).await;
    let mut forms = Vec::new();
    for _ in 0..2 {
        let answer = ask(sandbox.addr(), "GetKeyPair", r#"{"keyPairName":"alpha"}"#).await.answer();
        let at = answer.body.find("createdAt\":").unwrap() + "createdAt\":".len();
        forms.push(answer.body[at..].split(',').next().unwrap().to_owned());
        assert!((answer.json()["keyPair"]["createdAt"].as_f64().unwrap() - 1_603_389_001.123).abs() < 1e-6);
    }
    forms.sort();
    assert_eq!(forms, ["1.603389001123E9", "1603389001.123"]);
}

#[tokio::test]
async fn sts_names_a_caller_that_aws_does_not_have() {
    let sandbox = sandbox(
        r#"{"name":"sts","faults":[{"on":"GetCallerIdentity","nth":2,"do":"expired_credentials","requests":1}]}"#,
    )
    .await;
    let scope = SCOPE.replace("lightsail", "sts");
    let headers = format!("Authorization: {scope}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    let ask = async |action: &str| {
        send(sandbox.addr(), "POST /", &headers, &format!("Action={action}&Version=2011-06-15")).await.answer()
    };
    let answer = ask("GetCallerIdentity").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/xml")));
    assert!(answer.body.contains("<Account>000000000000</Account>"));
    assert!(
        answer.body.contains("<Arn>arn:aws-sandbox:sts::000000000000:assumed-role/keybatch-sandbox/rehearsal</Arn>")
    );
    let answer = ask("GetCallerIdentity").await;
    assert!(answer.status == 403 && answer.body.contains("<Code>ExpiredToken</Code>"), "{answer:?}");
    assert!(ask("GetSessionToken").await.body.contains("<Code>InvalidAction</Code>"));
    assert_eq!(ask("GetCallerIdentity").await.status, 200);
}

// SEMANTICS: P54
#[tokio::test]
async fn nobody_can_take_it_for_aws() {
    let sandbox = sandbox(WORLD).await;
    for answer in [
        delete(sandbox.addr(), "nobody").await.answer(),
        ask(sandbox.addr(), "GetKeyPairs", "{}").await.answer(),
        look(sandbox.addr(), "/_sandbox/stats").await,
        send(sandbox.addr(), "GET /", "", "").await.answer(),
        send(sandbox.addr(), "GET /elsewhere", "", "").await.answer(),
    ] {
        assert_eq!(answer.header("server"), Some("keybatch-sandbox"));
        assert_eq!(answer.header("x-keybatch-sandbox"), Some(sandbox.world_id()));
    }
    assert!(sandbox.world_id().starts_with("wire-"));
}

#[tokio::test]
async fn only_the_loopback_is_served() {
    for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:10.0.0.1]:0"] {
        let world = World::parse(r#"{"name":"open"}"#).unwrap();
        let options = SandboxOptions { addr: addr.parse().unwrap(), source: Source::Memory(world) };
        let error = start(options).await.unwrap_err();
        assert!(matches!(error, SandboxError::NotLoopback { .. }), "{addr}: {error}");
        assert!(error.to_string().contains("only on a loopback address"), "{error}");
    }
}

#[tokio::test]
async fn one_rate_holds_for_all_operations_of_a_region() {
    let world = r#"{"name":"slow","throttle":{"rate_per_s":0.001,"burst":3,"regions":{"eu-central-1":{"rate_per_s":1000,"burst":1000}}},
        "generate":[{"region":"us-east-1","prefix":"k-","count":9},{"region":"eu-central-1","prefix":"k-","count":9}]}"#;
    let sandbox = sandbox(world).await;
    let addr = sandbox.addr();
    assert_eq!(delete(addr, "k-000001").await.answer().status, 200);
    assert!(there(addr, "k-000002").await.is_some());
    assert_eq!(ask(addr, "GetKeyPairs", "{}").await.answer().status, 200);
    let throttled = delete(addr, "k-000002").await.answer();
    assert_eq!((throttled.status, throttled.error().as_str()), (400, "ThrottlingException"));
    assert!(throttled.header("retry-after").is_none());
    let elsewhere = sdk(&sandbox, "eu-central-1");
    for number in 1..=9 {
        elsewhere.delete_key_pair().key_pair_name(format!("k-00000{number}")).send().await.unwrap();
    }
    let stats = sandbox.stats();
    assert_eq!(stats.requests["DeleteKeyPair"].throttled, 1);
    assert_eq!(stats.effects.deleted, 10);
    assert_eq!(stats.present["us-east-1"], 8);
}
