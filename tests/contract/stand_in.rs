//! The stand-in against the real SDK: what the other contract tests rest on must itself be right. No keybatch here.

use std::time::Duration;

use crate::support::{self, Act, Effect, HOME, StandIn};
use aws_sdk_lightsail::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
};

fn client(world: &StandIn) -> Client {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(400)).build();
    let config = aws_sdk_lightsail::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(HOME))
        .credentials_provider(Credentials::new("AKIA", "secret", None, None, "test"))
        .endpoint_url(world.url())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .build();
    Client::from_conf(config)
}

/// A healthy life: list by pages, get, delete, look at the operation, get not found.
#[tokio::test]
async fn a_healthy_life() {
    let world = StandIn::start();
    let names = world.keys("key", 9);
    let client = client(&world);
    let first = client.get_key_pairs().send().await.unwrap();
    assert_eq!(first.key_pairs().len(), 7);
    let second = client.get_key_pairs().set_page_token(first.next_page_token).send().await.unwrap();
    assert_eq!((second.key_pairs().len(), second.next_page_token()), (2, None));
    let pair = client.get_key_pair().key_pair_name(&names[0]).send().await.unwrap().key_pair.unwrap();
    let state = world.state().keys[&(HOME.to_owned(), names[0].clone())].clone();
    assert_eq!(pair.arn(), Some(state.arn.as_str()));
    // The SDK turns ….123 into ….122999, which is one of the traps that the stand-in sets.
    assert_eq!(pair.created_at().unwrap().to_millis().unwrap(), state.created_ms - 1);
    let answer = client.delete_key_pair().key_pair_name(&names[0]).send().await.unwrap();
    let operation = answer.operation.unwrap();
    assert_eq!(operation.is_terminal(), Some(true));
    let known = client.get_operation().operation_id(operation.id().unwrap()).send().await.unwrap();
    assert_eq!(known.operation.unwrap().id(), operation.id());
    let history = client.get_operations_for_resource().resource_name(&names[0]).send().await.unwrap();
    assert_eq!(history.operations()[0].operation_type().unwrap().as_str(), "DeleteKeyPair");
    let error = client.get_key_pair().key_pair_name(&names[0]).send().await.unwrap_err();
    assert_eq!(error.code(), Some("DoesNotExist"));
    assert!(client.get_instances().send().await.unwrap().instances().is_empty());
    assert!(!world.has(&names[0]) && world.has(&names[1]));
    assert_eq!(world.story(&names[0]), ["GetKeyPair", "DeleteKeyPair", "GetOperationsForResource", "GetKeyPair"]);
    assert_eq!(world.arrived("DeleteKeyPair")[0].region, HOME);
}

/// Every scripted misbehaviour looks to the SDK as lightsail.md says, before and after the effect.
#[tokio::test]
async fn every_misbehaviour() {
    let world = StandIn::start();
    let client = client(&world);
    let cases = [
        (Act::throttle(), "service"),
        (Act::error(400, "NotFoundException", Some("DoesNotExist"), true), "service"),
        (Act::server_error(), "service"),
        (Act::html_503(), "response"),
        (Act::raw(500, "application/x-amz-json-1.1", ""), "response"),
        (Act::truncated(), "response"),
        (Act::cut(), "dispatch"),
        (Act::hang(), "timeout"),
        (Act::empty_object(), "ok"),
    ];
    for (act, expected) in cases {
        for effect in [Effect::Nothing, Effect::Delete, Effect::DeleteAndRecreate] {
            let before = world.key("probe").arn;
            world.script("DeleteKeyPair", "probe", [act.clone().with(effect)]);
            let seen = match client.delete_key_pair().key_pair_name("probe").send().await {
                Ok(_) => "ok",
                Err(SdkError::ServiceError(_)) => "service",
                Err(SdkError::ResponseError(_)) => "response",
                Err(SdkError::DispatchFailure(_)) => "dispatch",
                Err(SdkError::TimeoutError(_)) => "timeout",
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(seen, expected, "{act:?} {effect:?}");
            let after = world.state().keys.get(&(HOME.to_owned(), "probe".to_owned())).map(|pair| pair.arn.clone());
            match effect {
                Effect::Nothing => assert_eq!(after, Some(before)),
                Effect::Delete => assert_eq!(after, None),
                _ => assert!(after.is_some_and(|arn| arn != before)),
            }
        }
    }
}

/// Slow operations end after their polls, and take effect then.
#[tokio::test]
async fn slow_operations() {
    let world = StandIn::start();
    world.key("probe");
    let client = client(&world);
    world.script("DeleteKeyPair", "probe", [Act::slow(2, "Succeeded")]);
    let answer = client.delete_key_pair().key_pair_name("probe").send().await.unwrap();
    let id = answer.operation.unwrap().id.unwrap();
    for terminal in [false, true] {
        assert!(world.has("probe"));
        let polled = client.get_operation().operation_id(&id).send().await.unwrap();
        assert_eq!(polled.operation.unwrap().is_terminal(), Some(terminal));
    }
    assert!(!world.has("probe"));
    assert_eq!(world.deleted_by_us(&(HOME.to_owned(), "probe".to_owned())), 1);
}

/// Denials, expiry, vanishing and coming back.
#[tokio::test]
async fn global_troubles() {
    let mut world = StandIn::start();
    world.key("probe");
    let client = client(&world);
    world.deny("DeleteKeyPair");
    let error = client.delete_key_pair().key_pair_name("probe").send().await.unwrap_err();
    assert_eq!(error.code(), Some("AccessDenied"));
    world.state().expired = true;
    let error = client.get_key_pairs().send().await.unwrap_err();
    assert_eq!(error.code(), Some("ExpiredTokenException"));
    world.heal();
    world.script("GetKeyPair", "*", [Act::ok().then_vanish_server()]);
    client.get_key_pair().key_pair_name("probe").send().await.unwrap();
    let error = client.get_key_pair().key_pair_name("probe").send().await.unwrap_err();
    // Refused, or cut off where the client still holds a connection that the server has just closed.
    assert!(matches!(&error, SdkError::DispatchFailure(_)), "{error:?}");
    world.reappear();
    client.get_key_pair().key_pair_name("probe").send().await.unwrap();
    assert_eq!(world.overlaps(), Vec::<String>::new());
}

/// STS on the same port.
#[tokio::test]
async fn the_caller() {
    let world = StandIn::start();
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(aws_sdk_sts::config::BehaviorVersion::latest())
        .region(aws_sdk_sts::config::Region::new(HOME))
        .credentials_provider(aws_sdk_sts::config::Credentials::new("AKIA", "secret", None, None, "test"))
        .endpoint_url(world.url())
        .retry_config(RetryConfig::disabled())
        .build();
    let client = aws_sdk_sts::Client::from_conf(config);
    let caller = client.get_caller_identity().send().await.unwrap();
    assert_eq!(caller.account(), Some(support::ACCOUNT));
    world.state().expired = true;
    let error = client.get_caller_identity().send().await.unwrap_err();
    assert_eq!(aws_sdk_sts::error::ProvideErrorMetadata::code(&error), Some("ExpiredToken"));
}
