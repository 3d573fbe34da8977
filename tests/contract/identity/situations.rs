//! The reasons for having no credentials, each with its own message and next step: the ten of the public reports (which version 0.1.0
//! answered with a single sentence) and similar ones.

use sha1::{Digest as _, Sha1};

use super::credentials::bench_of;
use crate::support::Bench;

struct Situation {
    name: &'static str,
    config: &'static str,
    /// Flags of `run` and `doctor`.
    flags: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
    /// What the message says, and what the hints say.
    said: &'static str,
    step: &'static str,
}

const fn profile(name: &'static str, config: &'static str, said: &'static str, step: &'static str) -> Situation {
    Situation { name, config, flags: &["--profile", "x"], variables: &[], said, step }
}

const SSO: &str = "[sso-session corp]\nsso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\n\
                   [profile x]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Cleaner\n";

const SITUATIONS: [Situation; 23] = [
    // The ten.
    profile("sso expired", SSO, "sso_session corp) has expired", "aws sso login --profile x"),
    profile("never logged in", SSO, "nobody has logged in", "aws sso login --profile x"),
    profile("not defined", "[profile y]\nregion = us-east-1\n", "profile x, named by --profile", "perhaps y was meant"),
    profile(
        "source not defined",
        "[profile x]\nrole_arn = arn:aws:iam::111122223333:role/a\nsource_profile = base\n",
        "there is no profile base",
        "define profile base",
    ),
    profile(
        "circle",
        "[profile x]\nrole_arn = arn:aws:iam::111122223333:role/a\nsource_profile = y\n\
         [profile y]\nrole_arn = arn:aws:iam::111122223333:role/b\nsource_profile = x\n",
        "form a circle: x -> y -> x",
        "credentials of its own",
    ),
    profile(
        "login",
        "[profile x]\nlogin_session = arn:aws:iam::111122223333:user/one\n",
        "login_session = arn:aws:iam::111122223333:user/one), and nobody has logged in",
        "aws login --profile x",
    ),
    profile(
        "mfa",
        "[profile x]\nrole_arn = arn:aws:iam::111122223333:role/a\nsource_profile = y\n\
         mfa_serial = arn:aws:iam::111122223333:mfa/one\n[profile y]\ncredential_process = exit 3\n",
        "mfa_serial = arn:aws:iam::111122223333:mfa/one",
        "aws configure export-credentials --profile x --format env",
    ),
    profile(
        "helper exits 1",
        "[profile x]\ncredential_process = sh -c 'echo hunter2 >&2; echo hunter2; exit 1'\n",
        "credential_process of profile x, sh, exited with code 1",
        "by hand",
    ),
    profile(
        "helper not installed",
        "[profile x]\ncredential_process = no-such-vault-helper --secret hunter2\n",
        "no-such-vault-helper, is not installed",
        "install no-such-vault-helper",
    ),
    Situation {
        name: "container",
        config: "",
        flags: &[],
        variables: &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/creds?hunter2")],
        said: "names http://192.0.2.1, which is not allowed",
        step: "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    },
    // Neighbours.
    Situation {
        name: "not defined, by the variable, with keys in the environment",
        config: "",
        flags: &[],
        variables: &[("AWS_PROFILE", "x"), ("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "hunter2")],
        said: "profile x, named by AWS_PROFILE, is not defined",
        step: "no profile is defined",
    },
    Situation {
        name: "a configuration file that is not there",
        config: "",
        flags: &[],
        variables: &[("AWS_PROFILE", "x"), ("AWS_CONFIG_FILE", "/nonexistent/config")],
        said: "/nonexistent/config (AWS_CONFIG_FILE) does not exist",
        step: "no profile is defined",
    },
    Situation {
        name: "half of the keys",
        config: "",
        flags: &[],
        variables: &[("AWS_ACCESS_KEY_ID", "A")],
        said: "static keys of the environment are incomplete: there is no AWS_SECRET_ACCESS_KEY",
        step: "add AWS_SECRET_ACCESS_KEY",
    },
    profile("half of a profile's", "[profile x]\naws_access_key_id = A\n", "there is no aws_secret_access_key", "add"),
    profile("a region alone", "[profile x]\nregion = us-east-1\n", "profile x has no credentials", "aws configure"),
    profile(
        "role without source",
        "[profile x]\nrole_arn = arn:aws:iam::111122223333:role/a\n",
        "neither source_profile nor credential_source",
        "source_profile = NAME",
    ),
    profile(
        "sso section missing",
        "[profile x]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = C\n",
        "there is no section [sso-session corp]",
        "aws configure sso-session",
    ),
    profile(
        "token file missing",
        "[profile x]\nrole_arn = arn:aws:iam::111122223333:role/a\nweb_identity_token_file = /nonexistent/token\n",
        "/nonexistent/token: entity not found",
        "mounted",
    ),
    profile(
        "a container's role outside any",
        "[profile x]\nrole_arn = arn:aws:iam::111122223333:role/a\ncredential_source = EcsContainer\n",
        "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set",
        "credential_source of the profile",
    ),
    Situation {
        name: "token without a role",
        config: "",
        flags: &[],
        variables: &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token")],
        said: "no role to assume with it (AWS_ROLE_ARN)",
        step: "set AWS_ROLE_ARN",
    },
    profile("malformed", "[profile x]\nregion = us-east-1\nhunter2\n", "on line 3", "correct that line"),
    profile(
        "helper prints nothing",
        "[profile x]\ncredential_process = echo hunter2\n",
        "printed no usable credentials: not one JSON object",
        "by hand",
    ),
    Situation {
        name: "nothing at all",
        config: "",
        flags: &[],
        variables: &[],
        said: "AWS_EC2_METADATA_DISABLED forbids asking for an instance's role",
        step: "aws configure",
    },
];

fn prepared(situation: &Situation) -> Bench {
    let mut bench = bench_of(situation.config, "");
    for (name, value) in situation.variables {
        bench.set(name, value);
    }
    // Where the CLI keeps the login of an sso_session.
    if situation.name == "sso expired" {
        let name: String = Sha1::digest("corp").iter().map(|byte| format!("{byte:02x}")).collect();
        let cache = bench.home().join(".aws/sso/cache");
        std::fs::create_dir_all(&cache).unwrap();
        let token = r#"{"accessToken":"hunter2","expiresAt":"2024-01-01T00:00:00Z"}"#;
        std::fs::write(cache.join(format!("{name}.json")), token).unwrap();
    }
    bench
}

// SEMANTICS: P64
#[test]
fn each_reason_is_said_as_it_is() {
    for situation in &SITUATIONS {
        let bench = prepared(situation);
        let manifest = bench.manifest(&["probe"]);
        let run = bench.run(&manifest, situation.flags);
        let object = run.json();
        let context = format!("{}\n{run}", situation.name);
        assert_eq!(
            (run.code, &object["code"], &object["sent"]),
            (Some(9), &"aws.credentials".into(), &"nothing".into()),
            "{context}"
        );
        assert!(object["message"].as_str().unwrap().contains(situation.said), "{context}");
        assert!(object["hints"].to_string().contains(situation.step), "{context}");
        let mut args = vec!["doctor", "--online", "--output", "json"];
        args.extend(situation.flags);
        let doctor = bench.keybatch(&args).exits(9);
        let findings = doctor.json();
        let caller = findings.as_array().unwrap().iter().find(|finding| finding["check"] == "caller").unwrap();
        let text = caller["finding"].as_str().unwrap();
        assert!(text.contains(situation.said) && text.contains(situation.step), "{}\n{doctor}", situation.name);
        assert!(!run.said().contains("hunter2") && !doctor.said().contains("hunter2"), "{context}");
        assert!(bench.world.state().log.is_empty(), "{context}");
    }
}

/// `resume` says the same, and leaves the run as it is.
// SEMANTICS: P64
#[test]
fn a_resume_says_the_same() {
    let mut bench = bench_of("", "[good]\naws_access_key_id = AKIDGOOD\naws_secret_access_key = x\n");
    let names = bench.world.keys("key", 3);
    bench.run(&bench.manifest(&names), &["--profile", "good", "--max-deletes", "1"]).exits(5);
    let before = bench.world.state().log.len();
    bench.set("KEYBATCH_PROFILE", "goood");
    let done = bench.resume().exits(9);
    assert!(done.stderr.contains("profile goood, named by --profile or KEYBATCH_PROFILE, is not defined"), "{done}");
    assert!(done.stderr.contains("perhaps good was meant"), "{done}");
    assert_eq!(bench.world.state().log.len(), before);
    bench.set("KEYBATCH_PROFILE", "good");
    bench.resume().exits(0);
}

/// `default` may be missing, and a rehearsal needs no credentials and reads no profile.
#[test]
fn what_needs_no_profile_is_not_refused() {
    let mut bench = bench_of("", "");
    bench.set("AWS_ACCESS_KEY_ID", "AKIDENV");
    bench.set("AWS_SECRET_ACCESS_KEY", "x");
    bench.world.key("probe");
    let manifest = bench.manifest(&["probe"]);
    bench.run_unconfirmed(&manifest, &["--profile", "default", "--dry-run"]).exits(0);
    bench.set("AWS_PROFILE", "nowhere");
    bench.run(&manifest, &["--sandbox"]).exits(0);
    bench.run(&manifest, &[]).exits(9);
}
