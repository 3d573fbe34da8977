//! The physical floor: the same SDK in a loop, with no journal, no limit and no checks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_lightsail::Client;
use aws_smithy_types::retry::RetryConfig;

use crate::process::seconds_since_epoch;

/// Deletes every `name,region` of the file, `concurrency` at once. Panics where one is not answered with success.
/// Says when it began and when it ended, in seconds since 1970.
pub(crate) fn delete_all(url: &str, csv: &str, concurrency: usize) {
    let text = std::fs::read_to_string(csv).expect("the list of key pairs");
    let mut regions: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for line in text.lines().skip(1) {
        let (name, region) = line.split_once(',').expect("name,region");
        let known = regions.iter().position(|one| one == region).unwrap_or_else(|| {
            regions.push(region.to_owned());
            regions.len() - 1
        });
        rows.push((name.to_owned(), known));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work(url, rows, &regions, concurrency));
}

async fn work(url: &str, rows: Vec<(String, usize)>, regions: &[String], concurrency: usize) {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .load()
        .await;
    let client = |region: &String| {
        let config = aws_sdk_lightsail::config::Builder::from(&config).region(Region::new(region.clone())).build();
        Client::from_conf(config)
    };
    let clients: Arc<[Client]> = regions.iter().map(client).collect();
    let (rows, next): (Arc<[_]>, _) = (rows.into(), Arc::new(AtomicUsize::new(0)));
    let began = seconds_since_epoch();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..concurrency {
        let (clients, rows, next) = (Arc::clone(&clients), Arc::clone(&rows), Arc::clone(&next));
        tasks.spawn(async move {
            while let Some((name, region)) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = clients[*region].delete_key_pair().key_pair_name(name).send().await;
                let answer = answer.expect("the sandbox obeys");
                assert!(answer.operation().is_some(), "an answer without an operation");
            }
        });
    }
    tasks.join_all().await;
    println!("{began} {}", seconds_since_epoch());
}
