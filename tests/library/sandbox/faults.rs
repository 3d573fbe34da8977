//! Each kind of fault: what the client sees, and what became of the key pair.

use std::time::Duration;

use keybatch::sandbox::Sandbox;
use serde_json::Value;

use super::client::{Answer, Got, ask, delete, look, sandbox, there};

/// A world with the key pair `victim` and one rule about it.
async fn with_fault(rule: &str) -> Sandbox {
    sandbox(&format!(
        r#"{{"name":"faults","key_pairs":{{"us-east-1":[{{"name":"victim"}},{{"name":"other"}}]}},"faults":[{rule}]}}"#
    ))
    .await
}

/// Sends DeleteKeyPair once under this rule; gives what came back and whether the key pair is there afterwards.
async fn struck(rule: &str) -> (Got, bool) {
    let sandbox = with_fault(rule).await;
    let got = delete(sandbox.addr(), "victim").await;
    (got, there(sandbox.addr(), "victim").await.is_some())
}

async fn history(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    let body = format!(r#"{{"resourceName":"{name}"}}"#);
    let answer = ask(sandbox.addr(), "GetOperationsForResource", &body).await.answer();
    answer.json()["operations"].as_array().cloned().unwrap_or_default()
}

async fn poll(sandbox: &Sandbox, operation: &Value) -> Value {
    let body = format!(r#"{{"operationId":{}}}"#, operation["id"]);
    ask(sandbox.addr(), "GetOperation", &body).await.answer().json()["operation"].clone()
}

fn operation(answer: &Answer) -> Value {
    answer.json()["operation"].clone()
}

#[tokio::test]
async fn refusals_change_nothing() {
    for (kind, status, error) in [
        ("throttle", 400, "ThrottlingException"),
        ("error_500_before", 500, "ServiceException"),
        ("deny", 400, "AccessDeniedException"),
        ("not_found_though_there", 400, "NotFoundException"),
        ("account_setup_in_progress", 400, "AccountSetupInProgressException"),
        ("region_setup_in_progress", 400, "RegionSetupInProgressException"),
        ("invalid_input", 400, "InvalidInputException"),
    ] {
        let sandbox = with_fault(&format!(r#"{{"do":"{kind}","message":"so {kind}"}}"#)).await;
        let answer = delete(sandbox.addr(), "victim").await.answer();
        assert_eq!((answer.status, answer.error().as_str()), (status, error));
        assert_eq!(answer.json()["message"], format!("so {kind}"));
        assert!(there(sandbox.addr(), "victim").await.is_some(), "{kind}");
        assert!(history(&sandbox, "victim").await.is_empty());
        assert_eq!(delete(sandbox.addr(), "victim").await.answer().status, 200, "only the first request is struck");
        assert_eq!(sandbox.stats().faults[kind], 1);
    }
}

#[tokio::test]
async fn lost_answers_with_and_without_effect() {
    for (rule, there, expected) in [
        (r#"{"do":"cut_before"}"#, true, Got::Cut),
        (r#"{"do":"cut_after"}"#, false, Got::Cut),
        (r#"{"do":"hang","hold_ms":100}"#, true, Got::Cut),
        (r#"{"do":"hang"}"#, true, Got::Silence),
        (r#"{"do":"hang_after"}"#, false, Got::Silence),
    ] {
        assert_eq!(struck(rule).await, (expected, there), "{rule}");
    }
}

#[tokio::test]
async fn spoilt_answers() {
    let (got, there) = struck(r#"{"do":"error_500_after"}"#).await;
    assert_eq!((got.answer().status, there), (500, false));
    for (kind, there_after) in [("html_503", true), ("html_503_after", false)] {
        let (got, there) = struck(&format!(r#"{{"do":"{kind}"}}"#)).await;
        let answer = got.answer();
        assert_eq!((answer.status, there), (503, there_after));
        assert!(answer.body.starts_with("<html>"));
    }
    let (got, there) = struck(r#"{"do":"truncated_200"}"#).await;
    let Got::Torn(answer) = got else { panic!("{got:?}") };
    assert!(answer.status == 200 && answer.body.starts_with("{\"operation\"") && !there, "{answer:?}");
    let (got, there) = struck(r#"{"do":"empty_200"}"#).await;
    assert_eq!((got.answer().body.as_str(), there), ("{}", false));
    let (got, there) = struck(r#"{"do":"empty_body_200"}"#).await;
    assert_eq!((got.answer().body.as_str(), there), ("", false));
    let raw = r#"{"do":"raw","status":429,"headers":{"Retry-After":"3"},"body":"slow down"}"#;
    let (got, there) = struck(raw).await;
    let answer = got.answer();
    assert_eq!((answer.status, answer.header("retry-after"), answer.body.as_str()), (429, Some("3"), "slow down"));
    assert!(there);
    let (got, there) = struck(&raw.replace("\"body\"", "\"effect\":\"at_once\",\"body\"")).await;
    assert_eq!((got.answer().status, there), (429, false));
}

#[tokio::test]
async fn an_error_says_what_the_script_says_and_nothing_else() {
    for (parameters, status, header, body) in [
        (
            r#""type":"AccessDeniedException","code":"NotAuthorized","message":"no""#,
            400,
            None,
            r#"{"__type":"AccessDeniedException","code":"NotAuthorized","message":"no"}"#,
        ),
        (r#""code":"NotAuthorized","status":403"#, 403, None, r#"{"code":"NotAuthorized"}"#),
        (r#""header":"ThrottlingException:","status":429"#, 429, Some("ThrottlingException:"), "{}"),
        (r#""type":"ServiceException","header":"X","status":500"#, 500, Some("X"), r#"{"__type":"ServiceException"}"#),
    ] {
        let (got, there) = struck(&format!(r#"{{"do":"error",{parameters}}}"#)).await;
        let answer = got.answer();
        assert_eq!((answer.status, answer.header("x-amzn-errortype"), answer.body.as_str()), (status, header, body));
        assert!(there, "{parameters}: nothing was deleted");
    }
}

#[tokio::test]
async fn a_spoilt_answer_of_a_refusal_is_still_a_refusal() {
    for kind in ["truncated_200", "empty_200", "empty_body_200"] {
        let sandbox = with_fault(&format!(r#"{{"do":"{kind}"}}"#)).await;
        assert_eq!(delete(sandbox.addr(), "nobody").await.answer().error(), "NotFoundException");
    }
}

#[tokio::test]
async fn a_late_effect_comes_when_nobody_waits_any_more() {
    for (answer, expected) in [("cut", Got::Cut), ("hang", Got::Silence)] {
        let rule = format!(r#"{{"do":"late_effect","delay_ms":1800,"answer":"{answer}"}}"#);
        let sandbox = with_fault(&rule).await;
        let (got, still_there) = struck_in(&sandbox).await;
        assert_eq!((got, still_there), (expected, true));
        assert!(history(&sandbox, "victim").await.is_empty(), "not to be seen before it takes hold");
        tokio::time::sleep(Duration::from_millis(1900)).await;
        assert!(there(sandbox.addr(), "victim").await.is_none());
        assert_eq!(history(&sandbox, "victim").await.len(), 1);
        assert_eq!(sandbox.stats().effects.deleted, 1);
    }
}

async fn struck_in(sandbox: &Sandbox) -> (Got, bool) {
    (delete(sandbox.addr(), "victim").await, there(sandbox.addr(), "victim").await.is_some())
}

#[tokio::test]
async fn a_late_effect_spares_a_key_pair_that_was_not_there() {
    let rule = r#"{"do":"late_effect","delay_ms":100},{"do":"recreate_before","nth":1,"on":"GetKeyPair"}"#;
    let sandbox = with_fault(rule).await;
    assert_eq!(delete(sandbox.addr(), "victim").await, Got::Cut);
    assert!(there(sandbox.addr(), "victim").await.is_some());
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(there(sandbox.addr(), "victim").await.is_some());
    assert_eq!(sandbox.stats().effects.deleted, 0);
}

/// Unlike an effect that comes late, it meets whatever has the name by then.
#[tokio::test]
async fn a_request_delivered_late_deletes_whatever_has_the_name_then() {
    for (life, deleted) in [("", 1), (r#""signature_life_ms":250,"#, 0)] {
        let world = format!(
            r#"{{"name":"sl",{life}"key_pairs":{{"us-east-1":[{{"name":"victim"}}]}},"faults":[
            {{"do":"late_delivery","delay_ms":300}},{{"do":"recreate_before","nth":1,"on":"GetKeyPair"}}]}}"#
        );
        let sandbox = sandbox(&world).await;
        assert_eq!(delete(sandbox.addr(), "victim").await, Got::Cut);
        assert!(there(sandbox.addr(), "victim").await.is_some(), "somebody else made it anew meanwhile");
        assert!(
            history(&sandbox, "victim").await.iter().all(|operation| operation["operationType"] != "DeleteKeyPair")
        );
        tokio::time::sleep(Duration::from_millis(350)).await;
        assert_eq!(there(sandbox.addr(), "victim").await.is_none(), deleted == 1, "{life}");
        assert_eq!(sandbox.stats().effects.deleted, deleted);
    }
}

#[tokio::test]
async fn slow_operations_end_by_polls_or_by_time() {
    for (effect, at_first) in [("at_once", false), ("at_end", true)] {
        let sandbox = with_fault(&format!(r#"{{"do":"slow_operation","polls":2,"effect":"{effect}"}}"#)).await;
        let (got, there_at_first) = struck_in(&sandbox).await;
        let slow = operation(&got.answer());
        assert_eq!((slow["isTerminal"].as_bool(), slow["status"].as_str()), (Some(false), Some("Started")));
        assert_eq!(there_at_first, at_first);
        assert_eq!(poll(&sandbox, &slow).await["isTerminal"], false);
        assert_eq!(poll(&sandbox, &slow).await["status"], "Succeeded");
        assert_eq!(poll(&sandbox, &slow).await["status"], "Succeeded");
        assert!(there(sandbox.addr(), "victim").await.is_none());
        assert_eq!(sandbox.stats().effects.deleted, 1);
    }
    let sandbox = with_fault(r#"{"do":"slow_operation","ms":300,"effect":"at_end"}"#).await;
    let (got, there_at_first) = struck_in(&sandbox).await;
    let slow = operation(&got.answer());
    assert!(there_at_first);
    assert_eq!(poll(&sandbox, &slow).await["isTerminal"], false);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(poll(&sandbox, &slow).await["isTerminal"], true);
    assert!(there(sandbox.addr(), "victim").await.is_none());
}

#[tokio::test]
async fn a_world_can_be_slow_altogether() {
    let sandbox = sandbox(
        r#"{"name":"sl","operations":{"delay_ms":200},"latency_ms":{"min":20,"max":40},
        "key_pairs":{"us-east-1":[{"name":"victim"}]}}"#,
    )
    .await;
    let before = std::time::Instant::now();
    let slow = operation(&delete(sandbox.addr(), "victim").await.answer());
    assert!(before.elapsed() >= Duration::from_millis(20));
    assert_eq!(slow["isTerminal"], false);
    tokio::time::sleep(Duration::from_millis(220)).await;
    assert_eq!(poll(&sandbox, &slow).await["isTerminal"], true);
}

#[tokio::test]
async fn failed_operations_change_nothing_and_say_why() {
    let sandbox = with_fault(r#"{"do":"failed_operation","error_code":"Oops","error_details":"it broke"}"#).await;
    let (got, still_there) = struck_in(&sandbox).await;
    let failed = operation(&got.answer());
    assert_eq!((failed["isTerminal"].as_bool(), failed["status"].as_str()), (Some(true), Some("Failed")));
    assert_eq!((failed["errorCode"].as_str(), failed["errorDetails"].as_str()), (Some("Oops"), Some("it broke")));
    assert!(still_there);

    let sandbox = with_fault(r#"{"do":"operation_failed_later"}"#).await;
    let (got, still_there) = struck_in(&sandbox).await;
    let later = operation(&got.answer());
    assert!(still_there && later["status"] == "Started" && later["errorCode"].is_null());
    let polled = poll(&sandbox, &later).await;
    assert_eq!((polled["status"].as_str(), polled["errorCode"].as_str()), (Some("Failed"), Some("InternalFailure")));
    assert!(there(sandbox.addr(), "victim").await.is_some());
}

#[tokio::test]
async fn a_name_is_taken_again_by_somebody_else() {
    for (rule, lost, same) in [
        (r#"{"do":"recreate_after"}"#, false, false),
        (r#"{"do":"recreate_after","answer":"cut"}"#, true, false),
        (r#"{"do":"recreate_after","answer":"cut","fingerprint":"same"}"#, true, true),
    ] {
        let sandbox = with_fault(rule).await;
        let read = async || {
            let body = r#"{"keyPairName":"victim"}"#;
            ask(sandbox.addr(), "GetKeyPair", body).await.answer().json()["keyPair"].clone()
        };
        let before = read().await;
        assert_eq!(delete(sandbox.addr(), "victim").await == Got::Cut, lost, "{rule}");
        let after = read().await;
        assert_ne!(before["arn"], after["arn"]);
        assert!(after["createdAt"].as_f64() > before["createdAt"].as_f64());
        assert_eq!(before["fingerprint"] == after["fingerprint"], same);
        let effects = sandbox.stats().effects;
        assert_eq!((effects.deleted, effects.created_by_others, effects.deleted_by_others), (1, 1, 0));
    }
    let sandbox = with_fault(r#"{"on":"GetKeyPair","nth":2,"do":"recreate_before"}"#).await;
    let first = there(sandbox.addr(), "victim").await.unwrap();
    let second = there(sandbox.addr(), "victim").await.unwrap();
    assert_ne!(first, second);
    assert_eq!(sandbox.stats().effects.deleted_by_others, 1);
}

#[tokio::test]
async fn somebody_else_was_quicker() {
    let sandbox = with_fault(r#"{"do":"vanish_before"}"#).await;
    assert_eq!(delete(sandbox.addr(), "victim").await.answer().error(), "NotFoundException");
    assert!(history(&sandbox, "victim").await.is_empty());
    let sandbox = with_fault(r#"{"do":"vanish_before","history":"kept"}"#).await;
    assert_eq!(delete(sandbox.addr(), "victim").await.answer().error(), "NotFoundException");
    assert_eq!(history(&sandbox, "victim").await[0]["operationType"], "DeleteKeyPair");
    let stats = sandbox.stats();
    assert_eq!((stats.effects.deleted, stats.effects.deleted_by_others), (0, 1));
    assert_eq!(stats.names[0].effects.deleted_by_others, 1);
}

#[tokio::test]
async fn credentials_expire_for_a_while_for_good_and_after_so_many_deletes() {
    let sandbox = with_fault(r#"{"do":"expired_credentials","requests":2}"#).await;
    assert_eq!(delete(sandbox.addr(), "victim").await.answer().error(), "ExpiredTokenException");
    assert_eq!(ask(sandbox.addr(), "GetKeyPairs", "{}").await.answer().error(), "ExpiredTokenException");
    assert_eq!(delete(sandbox.addr(), "victim").await.answer().status, 200);

    let sandbox = with_fault(r#"{"do":"expired_credentials"}"#).await;
    for _ in 0..3 {
        assert_eq!(delete(sandbox.addr(), "victim").await.answer().error(), "ExpiredTokenException");
    }
    let others = super::client::SCOPE.replace("AKIDEXAMPLE", "AKIDFRESH");
    let headers = format!("X-Amz-Target: Lightsail_20161128.GetKeyPairs\r\nAuthorization: {others}\r\n");
    let fresh = super::client::send(sandbox.addr(), "POST /", &headers, "{}").await.answer();
    assert_eq!(fresh.status, 200, "new credentials are good");

    let world =
        r#"{"name":"ex","credentials_expire_after_deletes":1,"key_pairs":{"us-east-1":[{"name":"aa"},{"name":"bb"}]}}"#;
    let sandbox = super::client::sandbox(world).await;
    assert_eq!(delete(sandbox.addr(), "aa").await.answer().status, 200);
    assert_eq!(delete(sandbox.addr(), "bb").await.answer().error(), "ExpiredTokenException");
}

#[tokio::test]
async fn the_history_of_a_name_can_be_missing() {
    let sandbox = sandbox(
        r#"{"name":"hist","key_pairs":{"us-east-1":[{"name":"aa","operation_history":"missing"},{"name":"bb"},{"name":"cc"}]},
            "faults":[{"name":"cc","do":"cut_after","history":"missing"}]}"#,
    )
    .await;
    for (name, found) in [("aa", false), ("bb", true), ("cc", false)] {
        delete(sandbox.addr(), name).await;
        assert_eq!(!history(&sandbox, name).await.is_empty(), found, "{name}");
    }
    let all = ask(sandbox.addr(), "GetOperations", "{}").await.answer().json();
    assert_eq!(all["operations"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn rules_choose_by_operation_name_region_and_number() {
    let sandbox = with_fault(
        r#"{"name":"other","nth":[2,3],"do":"throttle"},{"on":"GetKeyPairs","nth":"every","do":"error_500_before"},
           {"region":"eu-central-1","nth":"all","do":"deny"},{"on":"GetOperation","name":"victim","do":"cut_before"}"#,
    )
    .await;
    let addr = sandbox.addr();
    for _ in 0..2 {
        assert_eq!(ask(addr, "GetKeyPairs", "{}").await.answer().status, 500);
    }
    let deleted = operation(&delete(addr, "victim").await.answer());
    let body = format!(r#"{{"operationId":{}}}"#, deleted["id"]);
    assert_eq!(ask(addr, "GetOperation", &body).await, Got::Cut, "an operation is about the name of its key pair");
    assert_eq!(ask(addr, "GetOperation", &body).await.answer().status, 200);
    let errors = [delete(addr, "other").await, delete(addr, "other").await, delete(addr, "other").await];
    let errors: Vec<_> = errors.into_iter().map(|got| got.answer().status).collect();
    assert_eq!(errors, [200, 400, 400]);
    assert_eq!(look(addr, "/_sandbox/stats").await.json()["faults"]["throttle"], 2);
    assert_eq!(delete(addr, "other").await.answer().error(), "NotFoundException");
}
