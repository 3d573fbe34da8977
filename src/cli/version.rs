//! What this program is, and what it was built from and with: one line for `-V`, all of it for `--version`.

use crate::journal::open;
use crate::lightsail::aws;

/// The commit that this was built from, if the build knew it.
pub(super) const COMMIT: Option<&str> = known(option_env!("KEYBATCH_COMMIT"));

/// One line: version, commit, SQLite.
pub(super) fn short() -> String {
    format!("{} (commit {}, SQLite {})", env!("CARGO_PKG_VERSION"), commit(), open::version())
}

/// Everything that a bug report should include.
pub(super) fn long() -> String {
    let [target, rustc] =
        [option_env!("KEYBATCH_TARGET"), option_env!("KEYBATCH_RUSTC")].map(|said| known(said).unwrap_or("unknown"));
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let mut text = env!("CARGO_PKG_VERSION").to_owned();
    for (name, value) in [
        ("commit", commit().to_owned()),
        ("SQLite", open::version()),
        ("AWS SDK", format!("aws-sdk-lightsail {}", aws::sdk_version())),
        ("TLS", aws::TLS.to_owned()),
        ("features", features()),
        ("build", format!("{profile}, {target}, {rustc}")),
    ] {
        text += &format!("\n{name:<10}{value}");
    }
    text
}

/// What the build script says, if it ran and knew it.
const fn known(said: Option<&str>) -> Option<&str> {
    match said {
        Some(said) if !said.is_empty() => Some(said),
        _ => None,
    }
}

fn commit() -> &'static str {
    COMMIT.unwrap_or("unknown")
}

fn features() -> String {
    let own: &[&str] = if cfg!(feature = "synchronous-normal") { &["synchronous-normal"] } else { &[] };
    [aws::FEATURES, own].concat().join(", ")
}
