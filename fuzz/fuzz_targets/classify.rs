//! Answers of every kind through the SDK, the capture and the classification: total, never a success where the service
//! did not say one, and what is kept is what came.

#![no_main]

use std::sync::{Arc, LazyLock, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lightsail::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use keybatch::domain::{Cause, Class, Failure, RawBody};
use keybatch::lightsail::Lightsail as _;
use keybatch::lightsail::aws::AwsLightsail;
use keybatch::lightsail::classify::classify_delete;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

/// The answer that comes next.
type Next = Arc<Mutex<Option<http::Response<SdkBody>>>>;

#[derive(Debug, Clone)]
struct Wire(Next);

impl HttpConnector for Wire {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        let next = self.0.lock().unwrap().take().expect("one request, one answer");
        HttpConnectorFuture::ready(Ok(HttpResponse::try_from(next).unwrap()))
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

static SERVICE: LazyLock<(Runtime, Next, AwsLightsail)> = LazyLock::new(|| {
    let next = Next::default();
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("A", "s", None, None, "fuzz")))
        .retry_config(RetryConfig::disabled())
        .http_client(Wire(Arc::clone(&next)))
        .build();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    (runtime, next, AwsLightsail::with(config))
});

const HEADERS: [&str; 5] =
    ["x-amzn-errortype", "x-amzn-requestid", "retry-after", "content-type", "x-keybatch-sandbox"];

fuzz_target!(|data: &[u8]| {
    // A status, which request, headers (a length each, 255: none), and the rest is the body.
    let [low, high, which, rest @ ..] = data else { return };
    let status = 100 + u16::from_le_bytes([*low, *high]) % 900;
    let mut rest = rest;
    let mut answer = http::Response::builder().status(status);
    for name in HEADERS {
        let Some((length, after)) = rest.split_first() else { break };
        if *length == 255 {
            rest = after;
            continue;
        }
        let Some((value, after)) = after.split_at_checked(usize::from(*length)) else { break };
        rest = after;
        if let Ok(value) = http::HeaderValue::from_bytes(value) {
            // The SDK itself refuses headers that are no text, before anything of ours.
            if value.to_str().is_ok() {
                answer = answer.header(name, value);
            }
        }
    }
    let Ok(answer) = answer.body(SdkBody::from(rest.to_vec())) else { return };
    let (runtime, next, service) = &*SERVICE;
    *next.lock().unwrap() = Some(answer);
    let (exchange, error) = runtime.block_on(async {
        match which % 4 {
            0 => {
                let reply = service.delete_key_pair("us-east-1", "key-01", None).await;
                let (class, cause) = classify_delete("key-01", &reply.result);
                if class == Class::Succeeded {
                    assert!((200..300).contains(&status), "a success with status {status}");
                    let operation = reply.result.as_ref().ok().and_then(Option::as_ref).expect("an operation says it");
                    assert!(operation.has_succeeded() && operation.may_be_delete_of("key-01"));
                    assert_eq!(cause, None);
                }
                if !(200..300).contains(&status) {
                    assert!(!matches!(class, Class::Succeeded | Class::Pending | Class::OperationFailed), "{class:?}");
                }
                if status >= 500 {
                    assert_eq!((class, cause), (Class::Unanswered, Some(Cause::ServerError)));
                }
                (reply.exchange, reply.result.err())
            }
            1 => {
                let reply = service.get_key_pair("us-east-1", "key-01").await;
                (reply.exchange, reply.result.err())
            }
            2 => {
                let reply = service.get_operations_for_resource("us-east-1", "key-01", None).await;
                (reply.exchange, reply.result.err())
            }
            _ => {
                let reply = service.caller_identity().await;
                (reply.exchange, reply.result.err())
            }
        }
    });
    assert_eq!(exchange.http_status, Some(status), "what came is kept");
    if exchange.raw_body != RawBody::default() {
        assert!(exchange.raw_body.holds(), "{:?}", exchange.raw_body);
    }
    if let Some(error) = error {
        // Whatever is recorded of it can be read again.
        let text = serde_json::to_string(&Failure::of(Some(error.clone()), &exchange)).unwrap();
        let again = serde_json::from_str::<Failure>(&text).unwrap().read(&exchange).unwrap();
        assert_eq!((again.cause, &again.text), (error.cause, &error.text));
        assert!(!matches!(error.class, Class::Succeeded | Class::Pending), "{error:?}");
        assert!((400..500).contains(&status) || error.class == Class::Unanswered, "{status}: {error:?}");
    }
});
