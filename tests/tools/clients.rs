//! Other people's clients against the sandbox: boto3 and the AWS CLI must take it for the service it imitates.
//!
//! They come from a virtual environment (`python3 -m venv`, `pip install boto3 awscli`) which is named by
//! `KEYBATCH_CLIENTS_VENV` or lies at `.venv-clients` in the repository. Without one these tests are
//! ignored; nothing is ever installed from here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::ignore;
use keybatch::sandbox::{Sandbox, SandboxOptions, Source, World, start};

const WORLD: &str = r#"{
    "name": "clients",
    "page_size": 10,
    "error_header": "ERROR_HEADER",
    "key_pairs": {"us-east-1": [
        {"name": "LightsailDefaultKeyPair"}, {"name": "used"}, {"name": "throttled"}, {"name": "denied"},
        {"name": "account-setup"}, {"name": "region-setup"}, {"name": "internal"}, {"name": "expired"}
    ]},
    "generate": [{"region": "us-east-1", "prefix": "more-", "count": 18}],
    "accounts": {"111122223333": {
        "roles": {"cleanup": {"external_id": "e-1", "expires_after_deletes": 1}},
        "key_pairs": {"us-east-1": [{"name": "elsewhere"}]}
    }},
    "instances": [{"name": "web-1", "region": "us-east-1", "ssh_key_name": "used"}],
    "faults": [
        {"name": "throttled", "do": "throttle"}, {"name": "denied", "do": "deny"},
        {"name": "account-setup", "do": "account_setup_in_progress"},
        {"name": "region-setup", "do": "region_setup_in_progress"},
        {"name": "internal", "do": "error_500_before"},
        {"name": "expired", "do": "expired_credentials", "requests": 1},
        {"on": "GetCallerIdentity", "nth": 2, "do": "expired_credentials", "requests": 1}
    ]
}"#;

async fn boto3_parses_everything() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/clients/check_boto3.py");
    let venv = venv("bin/python3");
    for error_header in ["never", "always", "alternate"] {
        let sandbox = sandbox(error_header).await;
        let mut command = Command::new(venv.join("bin/python3"));
        command.arg(&script).arg(sandbox.url());
        succeeds(command).await;
        sandbox.stop().await;
    }
}

async fn the_aws_cli_parses_everything() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/clients/check_awscli.sh");
    let venv = venv("bin/aws");
    let sandbox = sandbox("never").await;
    let mut command = Command::new("sh");
    command.arg(script).arg(sandbox.url()).arg(venv.join("bin/aws"));
    succeeds(command).await;
    sandbox.stop().await;
}

async fn sandbox(error_header: &str) -> Sandbox {
    let source = Source::Memory(World::parse(&WORLD.replace("ERROR_HEADER", error_header)).unwrap());
    start(SandboxOptions { addr: SocketAddr::from(([127, 0, 0, 1], 0)), source }).await.unwrap()
}

/// Where the clients are. Ends the test as ignored where they are not.
fn venv(needs: &str) -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "how the caller of the tests says where the clients are")]
    let named = std::env::var("KEYBATCH_CLIENTS_VENV").ok().map(PathBuf::from);
    let venv = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv-clients"));
    if !venv.join(needs).exists() {
        let missing = venv.join(needs);
        ignore(format!(
            "no {} (KEYBATCH_CLIENTS_VENV names a virtual environment with boto3 and awscli)",
            missing.display()
        ));
    }
    venv
}

async fn succeeds(mut command: Command) {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{said}\n{complained}", output.status);
}

crate::harness::tests![; async boto3_parses_everything, the_aws_cli_parses_everything];
