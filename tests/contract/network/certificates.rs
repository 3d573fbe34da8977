//! Whom the HTTP client trusts, where a setting for it is wrong. `tests/tools/certificates.rs` has what needs a server with a
//! certificate.

use std::path::Path;

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A bundle that cannot be used ends the run before anything is sent, and names path and setting.
#[test]
fn a_bundle_that_cannot_be_used_is_named() {
    for (setting, text) in [
        ("AWS_CA_BUNDLE", None),
        ("AWS_CA_BUNDLE", Some("")),
        ("SSL_CERT_FILE", None),
        ("ca_bundle of the profile default", None),
        ("ca_bundle of the profile default", Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
    ] {
        let mut bench = super::with_config("");
        let path = bench.home().join("bundle.pem");
        if let Some(text) = text {
            bench.file("bundle.pem", text);
        }
        if setting.starts_with("ca_bundle") {
            bench.file(".aws/config", "[default]\nca_bundle = ~/bundle.pem\n");
        } else {
            bench.set(setting, &shown(&path));
        }
        let done = bench.run(&bench.manifest(&["key-01"]), &[]).exits(9);
        for part in [setting, &shown(&path), "nothing was sent"] {
            assert!(done.stderr.contains(part), "{setting}: {part}\n{done}");
        }
        let doctor = bench.keybatch(&["doctor"]).exits(9);
        assert!(doctor.stdout.contains(&shown(&path)), "{doctor}");
        assert!(bench.world.state().log.is_empty());
    }
}
