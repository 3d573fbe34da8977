//! The binary: hands arguments and surroundings to `cli::run` and leaves with its exit code.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use keybatch::cli::{Environment, run};

fn main() -> ExitCode {
    without_empty_variables();
    run(std::env::args_os(), Environment::of_process()).into()
}

/// Starts again without the SDK's and its HTTP client's variables that are empty, if there are any. A pipeline passes an
/// input that nobody filled in as an empty variable; the SDK reads the process's own environment and takes some of these
/// for values (an empty AWS_REGION hides AWS_DEFAULT_REGION, an empty HTTPS_PROXY hides https_proxy), and a process with
/// threads cannot change its environment safely.
fn without_empty_variables() {
    let empty: Vec<_> = std::env::vars_os()
        .filter(|(name, value)| value.is_empty() && name.to_str().is_some_and(is_of_the_sdk))
        .map(|(name, _)| name)
        .collect();
    if empty.is_empty() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1));
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    for name in empty {
        command.env_remove(name);
    }
    // Returns only where the program cannot be started again; then it goes on as it is.
    let _refused = command.exec();
}

/// What the HTTP client reads (`Builder::from_env` of hyper-util 0.1): the first of each pair that is set counts, be it
/// empty, and REQUEST_METHOD, be it empty, turns all of them off. Empty certificate variables hide the system's own.
const OF_THE_HTTP_CLIENT: [&str; 11] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "REQUEST_METHOD",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Whether the SDK may read a variable. An empty AWS_PAGER, and all of AWS_CLI_*, have a meaning for the AWS CLI, which a
/// `credential_process` may call.
fn is_of_the_sdk(name: &str) -> bool {
    let of_aws = name.starts_with("AWS_") && name != "AWS_PAGER" && !name.starts_with("AWS_CLI_");
    of_aws || OF_THE_HTTP_CLIENT.contains(&name)
}
