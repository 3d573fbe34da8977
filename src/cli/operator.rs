//! Who runs the program: what the operating system says, and separately what the environment claims.

use std::collections::BTreeMap;

use super::environment::Environment;
use crate::lightsail::address::without_user;

/// The login uid of a process that no login started.
const NO_LOGIN: u32 = u32::MAX;

/// The maximum length of a claim, in characters.
const CLAIM_CHARS: usize = 256;

/// Variables in which programs and pipelines say who started them, or where. Anybody can set them.
const CLAIMS: [&str; 19] = [
    "SUDO_USER",
    "DOAS_USER",
    "GITHUB_ACTOR",
    "GITHUB_TRIGGERING_ACTOR",
    "GITHUB_WORKFLOW_REF",
    "GITLAB_USER_LOGIN",
    "CI_JOB_URL",
    "BUILD_URL",
    "BUILD_USER",
    "BUILD_USER_ID",
    "BUILD_REQUESTEDFOR",
    "BUILDKITE_BUILD_URL",
    "BUILDKITE_BUILD_CREATOR",
    "CIRCLE_BUILD_URL",
    "CIRCLE_USERNAME",
    "BITBUCKET_STEP_TRIGGERER_UUID",
    "BITBUCKET_REPO_FULL_NAME",
    "CODEBUILD_BUILD_URL",
    "CODEBUILD_INITIATOR",
];

/// The three variables of GitHub that together form the address of a workflow's run.
const GITHUB_RUN: [&str; 3] = ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"];

/// The name of this process's real user, from the user database; `uid:N` if it has none. `USER` does not count, because
/// anybody can set it.
pub(super) fn user() -> String {
    user_of(rustix::process::getuid().as_raw())
}

/// The name of the user with this number; `uid:N` if the user database has none.
pub(super) fn user_of(uid: u32) -> String {
    let known = uzers::get_user_by_uid(uid).map(|user| user.name().to_string_lossy().into_owned());
    known.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("uid:{uid}"))
}

/// The user that logged in, whatever user this process runs as now; `None` outside Linux, or if no login started the process.
pub(super) fn login_uid() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/self/loginuid").ok()?;
    text.trim().parse().ok().filter(|uid| *uid != NO_LOGIN)
}

/// What the environment claims, by variable; `GITHUB_RUN_URL` is composed of three.
pub(super) fn claims(environment: &Environment) -> BTreeMap<String, String> {
    let mut claims: BTreeMap<_, _> =
        CLAIMS.into_iter().filter_map(|name| Some((name.to_owned(), bounded(environment.variable(name)?)))).collect();
    if let [Some(server), Some(repository), Some(run)] = GITHUB_RUN.map(|name| environment.variable(name)) {
        let address = format!("{}/{repository}/actions/runs/{run}", server.trim_end_matches('/'));
        claims.insert("GITHUB_RUN_URL".to_owned(), bounded(&address));
    }
    claims
}

/// A claim, shortened if it is too long, and without the user and password that an address may contain.
fn bounded(value: &str) -> String {
    let without = value.contains("://").then(|| without_user(value));
    without.as_deref().unwrap_or(value).chars().take(CLAIM_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_bounded_and_hold_no_password() {
        assert_eq!(bounded(&"ä".repeat(1_000)).chars().count(), CLAIM_CHARS);
        assert_eq!(bounded("https://u:secret@ci.example/job/1?x=a@b"), "https://ci.example/job/1?x=a@b");
        assert_eq!(bounded("a@b"), "a@b");
        assert_eq!(bounded("https://ci.example/@me"), "https://ci.example/@me");
    }
}
