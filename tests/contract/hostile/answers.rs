//! Hostile answers to a delete and to the readings before and after it.

use std::time::Duration;

use serde_json::json;

use super::mallory::{Answer, start};
use super::watch::{BOUND_KIB, harmless, shown_everywhere, watched};
use crate::at_once;
use crate::support::{Bench, NASTY};

/// Runs a manifest of one key pair against an endpoint that answers `operation` so, and returns the exit code.
fn run_against(what: &str, operation: &'static str, answer: Answer, everywhere: bool) -> i32 {
    let mut bench = Bench::new();
    bench.world.key("key-01");
    let url = start(&bench.world.url(), operation, answer);
    bench.set("AWS_ENDPOINT_URL", &url);
    let manifest = bench.manifest(&["key-01"]);
    let (done, peak) = watched(bench.spawn_run(&manifest, &["--attempt-timeout", "4s"]), Duration::from_secs(300));
    harmless(what, &done);
    assert!((1..BOUND_KIB).contains(&peak), "{what}: {peak} KiB\n{done}");
    eprintln!("{what}: exit {:?}, {} MiB", done.code, peak / 1024);
    if everywhere {
        shown_everywhere(&bench, what);
    } else {
        let verified = bench.verify().exits(0);
        harmless(what, &verified);
    }
    done.code.unwrap()
}

fn nasty_error() -> Vec<u8> {
    let message = format!("{NASTY} {}", "x".repeat(100));
    json!({"__type": format!("com.x#{NASTY}"), "code": NASTY, "message": message, "docs": NASTY, "tip": NASTY})
        .to_string()
        .into_bytes()
}

fn nasty_operation() -> Vec<u8> {
    json!({"operation": {
        "id": NASTY, "resourceName": "key-01", "resourceType": "KeyPair", "createdAt": 1_790_000_000.5,
        "location": {"availabilityZone": NASTY, "regionName": NASTY}, "isTerminal": true, "operationDetails": NASTY,
        "operationType": "DeleteKeyPair", "status": "Failed", "statusChangedAt": 1_790_000_000.5,
        "errorCode": NASTY, "errorDetails": NASTY,
    }})
    .to_string()
    .into_bytes()
}

/// Whatever an answer says, it is shown harmlessly in every place, and one byte after the other is in the journal.
#[test]
fn what_an_answer_says_is_shown_harmlessly() {
    let request_id = "x-amzn-RequestId: =1+1 \u{9b}31m\u{202e}\u{200b}<b>\r\nx-amzn-ErrorType: =x\u{202e}\r\n";
    run_against("an error", "DeleteKeyPair", Answer::with(400, request_id.as_bytes(), &nasty_error()), true);
    run_against("an operation", "DeleteKeyPair", Answer::with(200, b"", &nasty_operation()), true);
}

#[test]
fn what_a_reading_says_is_shown_harmlessly() {
    let pair = json!({"keyPairs": [{
        "name": "key-01", "arn": NASTY, "fingerprint": NASTY, "createdAt": 1e15, "supportCode": NASTY,
        "resourceType": NASTY, "location": {"regionName": NASTY}, "tags": [{"key": NASTY, "value": NASTY}],
    }], "nextPageToken": ""});
    run_against("a listing", "GetKeyPairs", Answer::with(200, b"", pair.to_string().as_bytes()), true);
    run_against("a reading", "GetKeyPair", Answer::with(400, b"", &nasty_error()), true);
}

#[test]
fn answers_that_are_no_answers() {
    let deep = "[".repeat(1_000_000);
    let wide = format!("{{\"operation\":{}", "{\"x\":".repeat(200_000));
    let numbers = br#"{"operation":{"id":"x","createdAt":1e999999,"isTerminal":true,"status":"Succeeded","operationType":"DeleteKeyPair","resourceName":"key-01","statusChangedAt":-99999999999999999999999999999999999999}}"#;
    let type_only = |body: &[u8]| Answer::with(400, b"", body);
    let cases: Vec<(&str, Answer)> = vec![
        ("deep nesting", type_only(deep.as_bytes())),
        ("deep nesting in a success", Answer::with(200, b"", wide.as_bytes())),
        ("huge numbers", Answer::with(200, b"", numbers)),
        ("half a surrogate", type_only(br#"{"__type":"InvalidInputException","message":"\ud800 and \udfff"}"#)),
        ("a NUL", type_only(b"{\"__type\":\"InvalidInputException\",\"message\":\"a\\u0000b\"}")),
        ("no UTF-8", type_only(b"{\"__type\":\"InvalidInputException\",\"message\":\"\xff\xfe\xc0\x80\"}")),
        ("no UTF-8 in a success", Answer::with(200, b"", b"{\"operation\":{\"id\":\"\xff\"}}")),
        ("bytes in a header", Answer::with(400, b"x-amzn-RequestId: \xff\xfe\x80\r\nretry-after: \xff\r\n", b"{}")),
        (
            "a length without end",
            Answer::Bytes(b"HTTP/1.1 200 X\r\nContent-Length: 18446744073709551615\r\n\r\n{".to_vec().into()),
        ),
        (
            "two lengths",
            Answer::Bytes(b"HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\n{".to_vec().into()),
        ),
        ("no HTTP", Answer::Bytes(b"\x00\x01\x02 hello\r\n\r\n".to_vec().into())),
        ("a status of nothing", Answer::Bytes(b"HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\n{}".to_vec().into())),
        (
            "a bad chunk",
            Answer::Bytes(
                b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx".to_vec().into(),
            ),
        ),
    ];
    at_once(cases, |(what, answer)| {
        let code = run_against(what, "DeleteKeyPair", answer, false);
        // Never taken for a success: the key pair is there.
        assert_ne!(code, 0, "{what}");
    });
}

/// Bodies and headers that fill memory, if they are let.
#[test]
fn answers_without_end() {
    const CHUNKED: &[u8] = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    const CHUNK: &[u8] = b"10\r\n{\"aaaaaaaaaaaaa\"\r\n";
    let large =
        |status| Answer::with(status, b"", format!("{{\"message\":\"{}\"}}", "x".repeat(100_000_000)).as_bytes());
    let headers: Vec<u8> = (0..100_000).flat_map(|n| format!("x-{n}: y\r\n").into_bytes()).collect();
    let header = format!("x-amzn-RequestId: {}\r\n", "r".repeat(10_000_000));
    let cases: Vec<(&str, &'static str, Answer)> = vec![
        ("an endless body", "DeleteKeyPair", Answer::Endless(CHUNKED, CHUNK)),
        ("an endless body without a length", "DeleteKeyPair", Answer::Endless(b"HTTP/1.1 200 X\r\n\r\n", b"{\"a\":[")),
        ("an endless error", "DeleteKeyPair", Answer::Endless(b"HTTP/1.1 400 X\r\n\r\n{\"message\":\"", b"xxxx")),
        ("100 MB", "DeleteKeyPair", large(200)),
        ("100 MB of an error", "DeleteKeyPair", large(400)),
        ("endless headers", "DeleteKeyPair", Answer::Endless(b"HTTP/1.1 200 X\r\n", b"x-y: zzzzzzz\r\n")),
        ("an endless header", "DeleteKeyPair", Answer::Endless(b"HTTP/1.1 200 X\r\nx-amzn-RequestId: ", b"zzzz")),
        ("100,000 headers", "DeleteKeyPair", Answer::with(400, &headers, b"{}")),
        ("a header of 10 MB", "DeleteKeyPair", Answer::with(400, header.as_bytes(), b"{}")),
        (
            "an endless listing",
            "GetKeyPairs",
            Answer::Endless(b"HTTP/1.1 200 X\r\n\r\n{\"keyPairs\":[", b"{\"name\":\"x\"},"),
        ),
    ];
    at_once(cases, |(what, operation, answer)| {
        assert_ne!(run_against(what, operation, answer, false), 0, "{what}");
    });
}
