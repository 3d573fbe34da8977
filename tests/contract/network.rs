//! The way to the service: addresses, proxies, certificates and regions, wherever they are configured; and that a rehearsal uses none
//! of them. `docs/ENVIRONMENT.md` says what is right.
//!
//! Seen with aws-config 1.13.0, aws-sdk-lightsail 1.135.0, aws-smithy-http-client 1.5.2 and hyper-util 0.1.21. Nothing here
//! reaches beyond 127.0.0.1: whatever would do so goes through a stand-in for a proxy, which refuses it.

mod certificates;
mod listener;

use std::time::Duration;

use crate::support::{self, Act, Bench, invariants};
use listener::Listener;

/// The password in each address that has one.
const PASSWORD: &str = "hunter2canary";

/// Every variable that has ever led the HTTP client to a proxy.
const PROXIES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// A home with a shared configuration of this text.
fn with_config(text: &str) -> Bench {
    let bench = Bench::new();
    std::fs::create_dir(bench.home().join(".aws")).unwrap();
    bench.file(".aws/config", text);
    bench
}

/// Sends every request to another machine through a stand-in for a proxy that answers like this.
fn behind(bench: &mut Bench, answer: &'static str) -> Listener {
    let proxy = Listener::start(answer);
    bench.unset("AWS_ENDPOINT_URL");
    bench.set("HTTPS_PROXY", &format!("http://user:{PASSWORD}@{}", proxy.address));
    proxy
}

/// A rehearsal, and a resume of it, read none of the machine's settings for AWS.
// SEMANTICS: P54
#[test]
fn nothing_of_the_machine_reaches_a_rehearsal() {
    let mut bench = with_config("[profile broken\nthis is no = configuration\n[default]\nregion = Frankfurt\n");
    for name in PROXIES {
        bench.set(name, "http://127.0.0.1:1");
    }
    for (name, value) in [
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ("AWS_PROFILE", "nobody"),
        ("AWS_REGION", "Frankfurt"),
        ("AWS_CA_BUNDLE", "/nonexistent"),
        ("SSL_CERT_FILE", "/nonexistent"),
        ("AWS_ENDPOINT_URL_STS", "http://user:hunter2@127.0.0.1:1"),
    ] {
        bench.set(name, value);
    }
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        bench.unset(name);
    }
    let manifest = bench.manifest(&["key-01", "key-02", "key-03"]);
    bench.run(&manifest, &["--sandbox", "--max-deletes", "1"]).exits(5);
    bench.resume().exits(0);
    assert!(bench.world.state().log.is_empty());
}

/// Requests to this machine, where `keybatch sandbox` may serve a world, never go through a proxy (field/03).
#[test]
fn this_machine_is_reached_without_a_proxy() {
    let mut bench = Bench::new();
    for name in PROXIES {
        bench.set(name, "http://127.0.0.1:1");
    }
    let names = bench.world.keys("key", 2);
    bench.run(&bench.manifest(&names), &[]).exits(0);
    invariants(&bench);
}

/// A user or password in an address is refused whichever setting it comes from: nothing is sent, printed or journalled.
#[test]
fn passwords_in_addresses_are_refused_whatever_their_source() {
    let url = format!("http://user:{PASSWORD}@127.0.0.1:1");
    let cases: [(&str, &str, &str); 8] = [
        ("--endpoint-url", "", ""),
        ("KEYBATCH_ENDPOINT_URL", "KEYBATCH_ENDPOINT_URL", ""),
        ("AWS_ENDPOINT_URL_LIGHTSAIL", "AWS_ENDPOINT_URL_LIGHTSAIL", ""),
        ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_STS", ""),
        ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL", ""),
        ("endpoint_url of the profile default", "", "[default]\nendpoint_url = URL\n"),
        ("[services dev]", "", "[default]\nservices = dev\n[services dev]\nlightsail =\n  endpoint_url = URL\n"),
        ("[services dev]", "", "[default]\nservices = dev\n[services dev]\nsts =\n  endpoint_url = URL\n"),
    ];
    for (said, variable, config) in cases {
        let mut bench = with_config(&config.replace("URL", &url));
        if !config.is_empty() {
            bench.unset("AWS_ENDPOINT_URL");
        }
        if !variable.is_empty() {
            bench.set(variable, &url);
        }
        // One of the manifests is refused, too: even its settings are journalled.
        for manifest in ["key_pair_name\nkey-01\n", "key_pair_name\nno key\n"] {
            let manifest = bench.file("m.csv", manifest);
            let flags = ["--endpoint-url", &url];
            let done = bench.run(&manifest, if said.starts_with("--") { &flags } else { &[] });
            let fits = if manifest_is_refused(&done) { done.code == Some(4) } else { done.code == Some(9) };
            assert!(fits, "{said}\n{done}");
            if done.code == Some(9) {
                assert!(done.stderr.contains(said) && done.stderr.contains("user or password"), "{said}\n{done}");
            }
            assert!(!done.said().contains(PASSWORD), "{said}\n{done}");
        }
        let doctor = bench.keybatch(&if said.starts_with("--") {
            vec!["doctor", "--endpoint-url", &url]
        } else {
            vec!["doctor"]
        });
        assert_eq!(doctor.code, Some(9), "{said}\n{doctor}");
        assert!(!doctor.said().contains(PASSWORD), "{said}\n{doctor}");
        assert!(bench.world.state().log.is_empty(), "{said}");
        let kept = std::fs::read(bench.journal()).unwrap_or_default();
        assert!(!kept.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()), "{said}: in the journal");
    }
}

fn manifest_is_refused(done: &support::Done) -> bool {
    done.said().contains("no key")
}

/// A setting that is not an address is shown without the parts of it that may be secret.
#[test]
fn a_malformed_address_is_shown_without_its_query() {
    let bench = Bench::new();
    let url = format!("127.0.0.1:1/base?token={PASSWORD}");
    let done = bench.run(&bench.manifest(&["key-01"]), &["--endpoint-url", &url]).exits(9);
    assert!(done.stderr.contains("127.0.0.1:1/base") && !done.said().contains(PASSWORD), "{done}");
}

/// A proxy's page in place of an answer (a plain 403 with HTML), and refusals of everyone, while planning.
#[test]
fn what_answers_while_planning_is_named_with_what_to_do() {
    let page = "<html><body>Access to this site is blocked</body></html>";
    let cases = [
        (
            Act::raw(403, "text/html; charset=utf-8", page),
            "HTTP 403 with a body that is not Lightsail's (text/html; charset=utf-8, 56 bytes)",
            "HTTPS_PROXY",
        ),
        (Act::type_only(400, "RequestExpired"), "RequestExpired", "clock"),
        (Act::type_only(403, "OptInRequired"), "OptInRequired", "signed up"),
        (Act::type_only(400, "InvalidSignatureException"), "InvalidSignatureException", "secret access key"),
    ];
    for (act, said, step) in cases {
        let bench = Bench::new();
        bench.world.key("key-01");
        bench.world.always("GetKeyPairs", "*", act);
        let done = bench.run(&bench.manifest(&["key-01"]), &[]).exits(9);
        for part in [said, step, "only read requests were sent"] {
            assert!(done.stderr.contains(part), "{part}\n{done}");
        }
        assert!(!done.stderr.contains("expected value"), "the parser's words\n{done}");
    }
}

/// A query may hold a token: the address is journalled without it, and the plan names what sends requests elsewhere.
#[test]
fn an_address_is_journalled_without_its_query() {
    let bench = Bench::new();
    let url = format!("{}/?token={PASSWORD}", bench.world.url());
    for (name, code) in [("key-01", 0), ("no key", 4)] {
        let manifest = bench.file("m.csv", format!("key_pair_name\n{name}\n"));
        let done = bench.run_unconfirmed(&manifest, &["--endpoint-url", &url, "--confirm", "0"]).exits(code);
        assert_eq!(done.stderr.contains("redirect  --endpoint-url sends requests to "), code == 0, "{done}");
        assert!(!done.said().contains(PASSWORD), "{done}");
    }
    let kept = std::fs::read(bench.journal()).unwrap();
    assert!(!kept.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()), "in the journal");
    let bare = bench.world.url();
    assert!(kept.windows(bare.len()).any(|window| window == bare.as_bytes()), "the address itself is kept");
}

/// FIPS and dual-stack variants cannot be combined with another address: the error gives the SDK's own reason, not missing
/// credentials.
#[test]
fn variants_of_another_address_are_refused_with_the_reason() {
    for (variable, reason) in [
        ("AWS_USE_FIPS_ENDPOINT", "FIPS and custom endpoint are not supported"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "Dualstack and custom endpoint are not supported"),
    ] {
        let mut bench = Bench::new();
        bench.set(variable, "true");
        let done = bench.run(&bench.manifest(&["key-01"]), &[]).exits(9);
        for part in [reason, variable, "AWS_ENDPOINT_URL", "nothing was sent"] {
            assert!(done.stderr.contains(part), "{part}\n{done}");
        }
        assert!(!done.stderr.contains("credentials"), "{done}");
        assert!(bench.world.state().log.is_empty());
    }
}

/// `doctor` compares the effective addresses with AWS's own, and says which setting made the difference.
#[test]
fn doctor_says_where_requests_really_go() {
    let line = |bench: &Bench| {
        let done = bench.keybatch(&["doctor", "--output", "json"]);
        let found = done.json().as_array().unwrap().clone();
        let text = |finding: &serde_json::Value| finding["finding"].as_str().unwrap().to_owned();
        let mut lines = found.iter().filter(|finding| finding["check"] == "endpoint").map(text);
        let line = lines.next().unwrap_or_else(|| panic!("no endpoint\n{done}"));
        assert_eq!(lines.next(), None, "one line\n{done}");
        line
    };
    let mut bench = with_config("[profile elsewhere]\nendpoint_url = http://127.0.0.1:9\n");
    let url = bench.world.url();
    let here = line(&bench);
    assert!(here.contains("DO NOT GO TO AWS") && here.contains(&url) && here.contains("AWS_ENDPOINT_URL"), "{here}");
    // aws-config honours this in silence.
    bench.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    let aws = line(&bench);
    assert!(!aws.contains("DO NOT GO TO AWS") && aws.contains("https://lightsail.us-east-1.amazonaws.com"), "{aws}");
    bench.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "");
    bench.unset("AWS_ENDPOINT_URL");
    bench.set("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9");
    let half = line(&bench);
    assert!(
        half.contains("DO NOT GO TO AWS") && half.contains("Lightsail at AWS") && half.contains("AWS_ENDPOINT_URL_STS"),
        "{half}"
    );
    bench.unset("AWS_ENDPOINT_URL_STS");
    bench.set("AWS_PROFILE", "elsewhere");
    let profile = line(&bench);
    assert!(
        profile.contains("DO NOT GO TO AWS") && profile.contains("endpoint_url of the profile elsewhere"),
        "{profile}"
    );
    bench.unset("AWS_PROFILE");
    bench.set("AWS_USE_FIPS_ENDPOINT", "true");
    let fips = line(&bench);
    assert!(
        !fips.contains("DO NOT GO TO AWS") && fips.contains("https://lightsail-fips.us-east-1.amazonaws.com"),
        "{fips}"
    );
    assert!(bench.world.state().log.is_empty(), "nothing was sent");
}

/// `doctor` names each proxy variable without its password, and the requests that it applies to.
#[test]
fn doctor_lists_proxies_without_passwords() {
    let mut bench = Bench::new();
    bench.unset("AWS_ENDPOINT_URL");
    bench.set("https_proxy", &format!("http://user:{PASSWORD}@proxy.example:3128"));
    bench.set("NO_PROXY", "sts.us-east-1.amazonaws.com");
    let done = bench.keybatch(&["doctor", "--output", "json"]);
    for part in [
        "https_proxy is http://proxy.example:3128",
        "NO_PROXY is sts.us-east-1.amazonaws.com",
        "requests to Lightsail go through the proxy http://proxy.example:3128 (https_proxy)",
        "requests to STS use no proxy",
    ] {
        assert!(done.stdout.contains(part), "{part}\n{done}");
    }
    assert!(!done.said().contains(PASSWORD), "{done}");
}

/// hyper-util 0.1 treats an empty HTTPS_PROXY, as pipelines pass it, as "no proxy", and an empty REQUEST_METHOD as that of a
/// CGI program: the proxy that https_proxy names was bypassed.
#[test]
fn empty_proxy_variables_hide_no_others() {
    const REFUSED: &str = "HTTP/1.1 403 Forbidden\r\n\r\n";
    let far = "https://far.example";
    for (empty, set) in [("HTTPS_PROXY", "https_proxy"), ("ALL_PROXY", "all_proxy"), ("REQUEST_METHOD", "HTTPS_PROXY")]
    {
        let proxy = Listener::start(REFUSED);
        let mut bench = Bench::new();
        bench.set("AWS_ENDPOINT_URL", far);
        bench.set(empty, "");
        bench.set(set, &format!("http://{}", proxy.address));
        let told = bench.keybatch(&["doctor", "--output", "json"]);
        assert!(told.stdout.contains(&format!("through the proxy http://{} ({set})", proxy.address)), "{told}");
        let done = bench.run_unconfirmed(&bench.manifest(&["probe"]), &["--dry-run"]).exits(9);
        assert!(
            done.said().contains(set) && proxy.heard().iter().any(|asked| asked.contains("far.example")),
            "{empty}\n{done}"
        );
    }
    let proxy = Listener::start(REFUSED);
    let mut bench = Bench::new();
    bench.set("AWS_ENDPOINT_URL", far);
    bench.set("HTTPS_PROXY", &format!("http://{}", proxy.address));
    bench.set("NO_PROXY", "");
    bench.set("no_proxy", "far.example");
    let told = bench.keybatch(&["doctor", "--output", "json"]);
    assert!(told.stdout.contains("no_proxy is far.example"), "{told}");
    assert!(told.stdout.contains("requests to Lightsail use no proxy"), "{told}");
}

/// A failure to connect names the host, the region, and the setting or proxy that led there; not credentials and clock.
#[test]
fn failures_to_connect_say_what_led_there() {
    let cases: [(&str, &str, &[&str]); 4] = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1", &["127.0.0.1:1", "AWS_ENDPOINT_URL", "us-east-1"]),
        ("AWS_ENDPOINT_URL_STS", "http://keybatch.invalid", &["keybatch.invalid", "AWS_ENDPOINT_URL_STS", "resolved"]),
        (
            "AWS_ENDPOINT_URL_LIGHTSAIL",
            "http://127.0.0.1:1",
            &["127.0.0.1:1", "AWS_ENDPOINT_URL_LIGHTSAIL", "us-east-1"],
        ),
        (
            "HTTPS_PROXY",
            "http://u:hunter2canary@127.0.0.1:1",
            &["127.0.0.1:1", "HTTPS_PROXY", "sts.us-east-1.amazonaws.com"],
        ),
    ];
    for (name, value, parts) in cases {
        let mut bench = Bench::new();
        if name == "HTTPS_PROXY" {
            bench.unset("AWS_ENDPOINT_URL");
        }
        bench.set(name, value);
        let done = bench.run(&bench.manifest(&["key-01"]), &[]).exits(9);
        for part in parts {
            assert!(done.stderr.contains(part), "{name}: {part}\n{done}");
        }
        for wrong in ["clock", "credentials", PASSWORD] {
            assert!(!done.stderr.contains(wrong), "{name}: {wrong}\n{done}");
        }
    }
}

/// The message distinguishes a proxy's answers to CONNECT: 407, another refusal, silence.
#[test]
fn a_proxy_that_refuses_is_named() {
    let cases = [
        ("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "407"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "refused to connect to sts.us-east-1.amazonaws.com"),
        ("", "HTTPS_PROXY"),
    ];
    for (answer, part) in cases {
        let mut bench = Bench::new();
        let proxy = behind(&mut bench, answer);
        let done = bench.run(&bench.manifest(&["key-01"]), &["--attempt-timeout", "5s"]).exits(9);
        let address = proxy.address.to_string();
        for part in [part, "HTTPS_PROXY", address.as_str(), "us-east-1", "nothing was sent"] {
            assert!(done.stderr.contains(part), "{part}\n{done}");
        }
        assert!(!done.said().contains(PASSWORD) && !done.stderr.contains("clock"), "{done}");
        let asked = proxy.heard();
        assert!(asked.iter().all(|asked| asked.starts_with("CONNECT sts.us-east-1.amazonaws.com:443 ")), "{asked:?}");
        assert!(asked.iter().any(|asked| asked.to_lowercase().contains("proxy-authorization: basic ")), "{asked:?}");
    }
}

/// A plain request goes to the proxy as it is; its 407 is the proxy's, not the service's.
#[test]
fn a_proxy_of_plain_requests_that_wants_a_user_is_named() {
    let mut bench = Bench::new();
    let proxy =
        Listener::start("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    bench.set("AWS_ENDPOINT_URL", "http://keybatch.invalid");
    bench.set("http_proxy", &format!("http://{}", proxy.address));
    let done = bench.run(&bench.manifest(&["key-01"]), &[]).exits(9);
    for part in ["407", "http_proxy", "keybatch.invalid", "USER:PASSWORD"] {
        assert!(done.stderr.contains(part), "{part}\n{done}");
    }
}

/// Each place that names a region is checked like the manifest's column, with the column's hint.
#[test]
fn regions_are_checked_wherever_they_are_named() {
    let cases =
        [("Frankfurt", "the region's code"), ("EU-Central-1", "lower case"), ("eu-central-1a", "availability zone")];
    for (wrong, hint) in cases {
        let fits = |done: support::Done, code: i32, setting: &str| {
            assert_eq!(done.code, Some(code), "{wrong} in {setting}\n{done}");
            for part in [wrong, hint, setting, "nothing was sent"] {
                assert!(done.stderr.contains(part), "{wrong} in {setting}: {part}\n{done}");
            }
        };
        let mut bench = with_config(&format!("[profile zone]\nregion = {wrong}\n"));
        let manifest = bench.file("m.csv", "key_pair_name,region\nkey-01,us-east-1\n");
        fits(bench.run(&manifest, &["--region", wrong]), 2, "--region");
        fits(bench.keybatch(&["resume", "--region", wrong]), 2, "--region");
        fits(bench.keybatch(&["doctor", "--region", wrong]), 2, "--region");
        bench.set("KEYBATCH_REGION", wrong);
        fits(bench.run(&manifest, &[]), 2, "KEYBATCH_REGION");
        bench.unset("KEYBATCH_REGION");
        bench.set("AWS_REGION", wrong);
        fits(bench.run(&manifest, &[]), 9, "AWS_REGION");
        bench.unset("AWS_REGION");
        bench.set("AWS_DEFAULT_REGION", wrong);
        fits(bench.run(&manifest, &[]), 9, "AWS_DEFAULT_REGION");
        bench.unset("AWS_DEFAULT_REGION");
        bench.set("AWS_PROFILE", "zone");
        fits(bench.run(&manifest, &[]), 9, "region of the profile zone");
        assert!(bench.world.state().log.is_empty());
    }
}

/// The metadata service, which takes seconds where its packets are dropped, is asked for a region only if a row needs one.
#[test]
fn a_region_that_rows_name_is_enough() {
    let metadata = Listener::start("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let mut bench = Bench::new();
    bench.unset("AWS_REGION");
    bench.unset("AWS_EC2_METADATA_DISABLED");
    bench.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &format!("http://{}", metadata.address));
    bench.world.keys("key", 1);
    let manifest = bench.file("m.csv", "key_pair_name,region\nkey-01,us-east-1\n");
    bench.run(&manifest, &[]).exits(0);
    assert_eq!(metadata.heard(), [""; 0], "with a region in each row");
    let done = bench.run(&bench.manifest(&["key-01"]), &[]).exits(9);
    assert!(done.stderr.contains("--region"), "{done}");
    assert!(!metadata.heard().is_empty(), "without one");
}

/// The user's own id for the SDK appears beside the run's.
// SEMANTICS: P23
#[test]
fn the_users_own_id_stays_in_the_user_agent() {
    for config in ["", "[default]\nsdk_ua_app_id = Team+7\n"] {
        let mut bench = with_config(config);
        if config.is_empty() {
            bench.set("AWS_SDK_UA_APP_ID", "Team+7");
        }
        let names = bench.world.keys("key", 1);
        bench.run(&bench.manifest(&names), &[]).exits(0);
        let arrived = bench.world.arrived("DeleteKeyPair");
        let agent: Vec<_> = arrived[0].agent.split(' ').collect();
        assert!(agent.contains(&"lib/app-id/Team+7"), "{agent:?}");
        assert!(agent.iter().any(|part| part.starts_with("app/keybatch-")), "{agent:?}");
    }
}

/// No test leaves a listener behind for longer than this.
const LISTENS: Duration = Duration::from_secs(90);
