//! Which credentials sign, how often they are obtained, and that no attempt waits for them.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::Bench;

/// A bench without credentials in the environment, with these files of the AWS configuration.
pub(crate) fn bench_of(config: &str, credentials: &str) -> Bench {
    let mut bench = Bench::new();
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        bench.unset(name);
    }
    std::fs::create_dir(bench.home().join(".aws")).unwrap();
    bench.file(".aws/config", config);
    bench.file(".aws/credentials", credentials);
    bench
}

/// A helper that counts its starts in `starts`, waits, and prints credentials that live for so many seconds.
fn helper(bench: &Bench, waits: &str, lives: u32) -> String {
    let starts = bench.home().join("starts");
    let script = format!(
        "#!/bin/sh\necho start >> {0}\nsleep {waits}\nn=$(wc -l < {0})\n\
         echo \"{{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"ASIASTART$n\\\",\\\"SecretAccessKey\\\":\\\"x\\\",\
         \\\"SessionToken\\\":\\\"t\\\",\\\"Expiration\\\":\\\"$(date -u -d '+{lives} seconds' +%Y-%m-%dT%H:%M:%SZ)\\\"}}\"\n",
        starts.display()
    );
    let path = bench.file("helper", script);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn starts(bench: &Bench) -> usize {
    std::fs::read_to_string(bench.home().join("starts")).unwrap_or_default().lines().count()
}

/// Whose signatures the requests had.
fn signers(bench: &Bench) -> Vec<String> {
    let mut ids: Vec<_> = bench.world.state().log.iter().map(|arrival| arrival.access_key_id.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Version 0.1.0 used the environment's identity, and therefore another account (aws-cli#113, mezmo/aura#470).
// SEMANTICS: P63
#[test]
fn a_profile_that_is_named_wins_over_the_environment() {
    let mut bench = bench_of(
        "[profile prod]\nregion = us-east-1\n",
        "[prod]\naws_access_key_id = AKIDPROD\naws_secret_access_key = x\n",
    );
    bench.set("AWS_ACCESS_KEY_ID", "AKIDDEV");
    bench.set("AWS_SECRET_ACCESS_KEY", "y");
    bench.world.key("probe");
    let manifest = bench.manifest(&["probe"]);
    bench.set("KEYBATCH_PROFILE", "prod");
    let planned = bench.run_unconfirmed(&manifest, &["--dry-run"]).exits(0).json();
    assert_eq!(
        (&planned["profile"], &planned["credentials_source"]),
        (&"prod".into(), &"profile prod: static keys".into())
    );
    bench.unset("KEYBATCH_PROFILE");
    let done = bench.run(&manifest, &["--profile", "prod"]).exits(0);
    assert!(done.stderr.contains("through   profile prod: static keys"), "{done}");
    assert_eq!(signers(&bench), ["AKIDPROD"]);
    let opened = &bench.query("SELECT body FROM entries WHERE kind = 'session_opened'")[0]["body"];
    let opened = opened.as_str().map_or_else(|| opened.to_string(), str::to_owned);
    assert!(opened.contains(r#""credentials_source":"profile prod: static keys""#), "{opened}");
    assert!(opened.contains(r#""profile":"prod""#), "{opened}");
    bench.keybatch(&["verify"]).exits(0);
    // As the AWS CLI has it, a profile that only the variable names does not.
    let mut bench = bench_of("", "[prod]\naws_access_key_id = AKIDPROD\naws_secret_access_key = x\n");
    bench.set("AWS_ACCESS_KEY_ID", "AKIDDEV");
    bench.set("AWS_SECRET_ACCESS_KEY", "y");
    bench.set("AWS_PROFILE", "prod");
    bench.run_unconfirmed(&bench.manifest(&["probe"]), &["--dry-run"]).exits(0);
    assert_eq!(signers(&bench), ["AKIDDEV"]);
}

#[test]
fn a_role_is_assumed_with_its_source() {
    let bench = bench_of(
        "[profile ops]\nrole_arn = arn:aws:iam::123456789012:role/cleaner\nsource_profile = base\n",
        "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = x\n",
    );
    bench.world.key("probe");
    let done = bench.run(&bench.manifest(&["probe"]), &["--profile", "ops"]).exits(0);
    let told = "profile ops: role arn:aws:iam::123456789012:role/cleaner assumed from profile base: static keys";
    assert!(done.stderr.contains(told), "{done}");
    assert_eq!(signers(&bench), ["AKIDBASE", "ASIAOFTHEROLE"]);
    let by_base = bench.world.state().log.iter().filter(|arrival| arrival.access_key_id == "AKIDBASE").count();
    assert_eq!(by_base, 1, "the base only assumes the role");
}

/// A helper that waits for a touch for 18 s was started twice by `run` and four times by `doctor`, and `run` ended with 9,
/// "makes none of this region" (version 0.1.0). Here the attempt's timeout is 1 s, and the helper takes longer.
#[test]
fn a_helper_that_waits_for_a_touch_is_started_once() {
    let bench = bench_of("", "");
    let program = helper(&bench, "3", 3_600);
    bench.file(".aws/config", format!("[profile touch]\ncredential_process = {program} --token hunter2\n"));
    bench.world.key("probe");
    let done = bench.run(&bench.manifest(&["probe"]), &["--profile", "touch"]).exits(0);
    assert_eq!(starts(&bench), 1, "{done}");
    assert!(
        done.stderr.contains("waiting up to 120 s for credentials: profile touch: credential_process helper"),
        "{done}"
    );
    assert!(!done.said().contains("hunter2"), "{done}");
    bench.keybatch(&["doctor", "--online", "--profile", "touch"]).exits(0);
    assert_eq!(starts(&bench), 2);
    // The limit is its own.
    let late = bench.run(&bench.manifest(&["probe"]), &["--profile", "touch", "--credentials-timeout", "1s"]).exits(9);
    assert!(late.stderr.contains("no credentials after 1 s from profile touch: credential_process helper"), "{late}");
    assert!(late.stderr.contains("--credentials-timeout"), "{late}");
}

/// Credentials of 6 s, renewed at half of that in the background: requests go on, each within its own short timeout, and
/// none is signed with what has expired.
// SEMANTICS: P63
#[test]
fn credentials_are_renewed_ahead_of_their_expiry() {
    let bench = bench_of("", "");
    let program = helper(&bench, "0", 6);
    bench.file(".aws/config", format!("[profile short]\ncredential_process = {program}\n"));
    let names = bench.world.keys("key", 18);
    let done = bench.run(&bench.manifest(&names), &["--profile", "short", "--rate", "2/s"]).exits(0);
    assert_eq!(done.json()["outcomes"]["deleted"], 18, "{done}");
    assert!(starts(&bench) >= 2, "{} starts after {:?}", starts(&bench), done.took);
    let state = bench.world.state();
    let last = state.log.last().unwrap();
    assert_ne!(last.access_key_id, "ASIASTART1", "the last request has a newer signature");
}

/// Once they have expired, nothing is signed with them: the target stops, and the run says why.
// SEMANTICS: P63
#[test]
fn expired_credentials_sign_nothing() {
    let bench = bench_of("", "");
    let program = helper(&bench, "0", 4);
    // The second start fails.
    let once = format!("test -e {0}/once && exit 5; touch {0}/once; exec {program}", bench.home().display());
    bench.file(".aws/config", format!("[profile once]\ncredential_process = sh -c '{once}'\n"));
    let names = bench.world.keys("key", 30);
    let done = bench.run(&bench.manifest(&names), &["--profile", "once", "--rate", "2/s"]).exits(5);
    assert!(done.stderr.contains("could not be renewed"), "{done}");
    assert!(done.stderr.contains("exited with code 5"), "{done}");
    assert_eq!(signers(&bench), ["ASIASTART1"]);
}

/// `USER=ceo keybatch run` recorded the operator as ceo, and `uid:0` where it was unset (version 0.1.0).
// SEMANTICS: P65
#[test]
fn the_operator_is_the_process_and_what_pipelines_say_are_claims() {
    let mut bench = Bench::new();
    bench.set("USER", "ceo");
    bench.set("LOGNAME", "ceo");
    for (name, value) in [
        ("SUDO_USER", "amelie"),
        ("GITHUB_ACTOR", "amelie-dev"),
        ("GITHUB_SERVER_URL", "https://git.example"),
        ("GITHUB_REPOSITORY", "infra/keys"),
        ("GITHUB_RUN_ID", "42"),
        ("CI_JOB_URL", "https://token:hunter2@ci.example/job/1"),
        ("GITLAB_USER_LOGIN", ""),
    ] {
        bench.set(name, value);
    }
    bench.world.key("probe");
    let done = bench.run(&bench.manifest(&["probe"]), &[]).exits(0);
    let me = std::process::Command::new("id").arg("-un").output().unwrap();
    let me = String::from_utf8(me.stdout).unwrap().trim().to_owned();
    let opened = &bench.query("SELECT body FROM entries WHERE kind = 'session_opened'")[0]["body"];
    let opened = opened.as_str().map_or_else(|| opened.to_string(), str::to_owned);
    let opened: serde_json::Value = serde_json::from_str(&opened).unwrap();
    assert_eq!(opened["user"], me.as_str(), "{opened}");
    assert!(!opened.to_string().contains("ceo") && !opened.to_string().contains("hunter2"), "{opened}");
    let claims = &opened["claims"];
    assert_eq!((&claims["SUDO_USER"], &claims["GITHUB_ACTOR"]), (&"amelie".into(), &"amelie-dev".into()), "{opened}");
    assert_eq!(claims["GITHUB_RUN_URL"], "https://git.example/infra/keys/actions/runs/42");
    assert_eq!(claims["CI_JOB_URL"], "https://ci.example/job/1");
    assert!(claims.get("GITLAB_USER_LOGIN").is_none(), "{done}");
    bench.keybatch(&["verify"]).exits(0);
}

/// docs/ENVIRONMENT.md, "Credentials and profiles": each source in turn, as the one before it is taken away.
#[test]
fn sources_count_in_the_documented_order() {
    let mut bench = bench_of(
        "[profile named]\ncredential_process = true\n[default]\nlogin_session = arn:aws:iam::111122223333:user/one\n",
        "",
    );
    let token = bench.file("token", "jwt").display().to_string();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/web"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/"),
    ] {
        bench.set(name, value);
    }
    bench.unset("AWS_EC2_METADATA_DISABLED");
    let source = |bench: &Bench, flags: &[&str]| {
        let args = [&["doctor", "--output", "json"], flags].concat();
        let findings = bench.keybatch(&args).json();
        let finding = findings.as_array().unwrap().iter().find(|finding| finding["check"] == "credentials").unwrap();
        let said = finding["finding"].as_str().unwrap();
        // Nothing was asked, so nothing more is said than where they would come from.
        let located = said.strip_suffix(" (not tried; --online tries them)");
        assert!(located.is_some() || said.starts_with("there are no AWS credentials"), "{said}");
        located.unwrap_or(said).to_owned()
    };
    assert_eq!(source(&bench, &["--profile", "named"]), "profile named: credential_process true");
    assert_eq!(source(&bench, &[]), "environment: AWS_ACCESS_KEY_ID");
    bench.unset("AWS_ACCESS_KEY_ID");
    bench.unset("AWS_SECRET_ACCESS_KEY");
    assert_eq!(source(&bench, &[]), "profile default: login session arn:aws:iam::111122223333:user/one");
    bench.set("AWS_PROFILE", "named");
    assert_eq!(source(&bench, &[]), "profile named: credential_process true");
    bench.unset("AWS_PROFILE");
    bench.file(".aws/config", "");
    let web = "the environment: web identity token, role arn:aws:iam::111122223333:role/web";
    assert_eq!(source(&bench, &[]), web);
    bench.unset("AWS_WEB_IDENTITY_TOKEN_FILE");
    assert_eq!(source(&bench, &[]), "container credentials address");
    bench.unset("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    assert_eq!(source(&bench, &[]), "instance metadata");
    bench.set("AWS_EC2_METADATA_DISABLED", "true");
    assert!(source(&bench, &[]).starts_with("there are no AWS credentials"));
}
