//! A client that hides nothing: bytes over a socket, and the AWS SDK without its retries.

use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_lightsail::config::retry::RetryConfig;
use aws_sdk_lightsail::config::{BehaviorVersion, Credentials, Region};
use keybatch::sandbox::{Sandbox, SandboxOptions, Source, StateDir, World, start};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Any free port of the loopback.
pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A sandbox in memory with this world.
pub(crate) async fn sandbox(world: &str) -> Sandbox {
    let source = Source::Memory(World::parse(world).unwrap());
    start(SandboxOptions { addr: loopback(), source }).await.unwrap()
}

/// A sandbox in a state directory.
pub(crate) async fn sandbox_in(dir: StateDir) -> Sandbox {
    start(SandboxOptions { addr: loopback(), source: Source::Dir(dir) }).await.unwrap()
}

/// What came back, if anything did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn error(&self) -> String {
        self.json()["__type"].as_str().unwrap_or_default().to_owned()
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Got {
    Answer(Answer),
    /// The connection was closed without a byte.
    Cut,
    /// It was closed before the announced end.
    Torn(Answer),
    /// Nothing within the time.
    Silence,
}

impl Got {
    pub(crate) fn answer(self) -> Answer {
        match self {
            Self::Answer(answer) => answer,
            other => panic!("an answer was expected, not {other:?}"),
        }
    }
}

pub(crate) const SCOPE: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/lightsail/aws4_request, SignedHeaders=host, Signature=0";

/// One Lightsail request on a connection of its own.
pub(crate) async fn ask(addr: SocketAddr, operation: &str, body: &str) -> Got {
    let headers = format!(
        "X-Amz-Target: Lightsail_20161128.{operation}\r\nAuthorization: {SCOPE}\r\nUser-Agent: test/1 app/run-1\r\n"
    );
    send(addr, "POST /", &headers, body).await
}

/// DeleteKeyPair of this name.
pub(crate) async fn delete(addr: SocketAddr, name: &str) -> Got {
    ask(addr, "DeleteKeyPair", &format!(r#"{{"keyPairName":"{name}"}}"#)).await
}

/// Whether GetKeyPair finds this name; its ARN if so.
pub(crate) async fn there(addr: SocketAddr, name: &str) -> Option<String> {
    let answer = ask(addr, "GetKeyPair", &format!(r#"{{"keyPairName":"{name}"}}"#)).await.answer();
    match answer.status {
        200 => Some(answer.json()["keyPair"]["arn"].as_str().unwrap().to_owned()),
        _ => None,
    }
}

/// A look behind the scenes.
pub(crate) async fn look(addr: SocketAddr, path: &str) -> Answer {
    send(addr, &format!("GET {path}"), "", "").await.answer()
}

/// Any request; the answer is read until the connection ends or the announced body is complete.
pub(crate) async fn send(addr: SocketAddr, line: &str, headers: &str, body: &str) -> Got {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A reset counts as an end, too.
    match tokio::time::timeout(Duration::from_millis(1500), stream.read_to_end(&mut bytes)).await {
        Err(_) => return Got::Silence,
        Ok(_) if bytes.is_empty() => return Got::Cut,
        Ok(_) => {}
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut answer = Answer { status: head[9..12].parse().unwrap(), head: head.to_owned(), body: body.to_owned() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = dechunk(body);
        return Got::Answer(answer);
    }
    let announced: usize = answer.header("content-length").unwrap_or("0").parse().unwrap();
    if answer.body.len() < announced { Got::Torn(answer) } else { Got::Answer(answer) }
}

fn dechunk(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        whole.push_str(&rest[..size]);
        text = &rest[size + 2..];
    }
    whole
}

/// The AWS SDK, pointed at a sandbox.
pub(crate) fn sdk(sandbox: &Sandbox, region: &'static str) -> aws_sdk_lightsail::Client {
    let config = aws_sdk_lightsail::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(sandbox.url())
        .region(Region::new(region))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .build();
    aws_sdk_lightsail::Client::from_conf(config)
}
