//! Approvals: the text that people sign when they approve a plan, and the names of the files.
//!
//! ```text
//!   PlanHeader, PlanSeal ──► text ──ssh-keygen -Y sign──► PLAN.<principal>.sig ──► Judge ──► counts, or why not
//! ```
//!
//! The text follows from the plan, so that nothing beside the plan needs to be trusted: whoever has it derives the text again.

mod judge;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

pub use judge::{Judge, Judged, NotCounted, Party, Presented, Role};

use super::plan::{PlanHeader, PlanSeal};

/// What an approval is signed for.
pub const PLAN_NAMESPACE: &str = "plan@keybatch";

/// What the maker of a plan signs for.
pub const MAKER_NAMESPACE: &str = "maker@keybatch";

/// What a checkpoint is signed for.
pub const CHECKPOINT_NAMESPACE: &str = "checkpoint@keybatch";

/// Far more people than ever approve one plan. A journal holds no more approvals of a run, and nobody can demand more.
pub const MOST_APPROVALS: u32 = 100;

/// The first line of every approval text.
pub const HEADING: &str = "keybatch approval v1";

/// Stands in the name of the file with the maker's signature, so that nobody can be called so.
pub const MAKER: &str = "maker";

/// The text that an approval is a signature over: [`HEADING`], then one value a line (an ASCII JSON string, or `null`): plan id,
/// root, root of the rows, SHA-256 of the manifest, endpoint, SHA-256 of the policy, expiry, ticket. Then a line for each target:
/// account, region (strings), rows to delete, to skip, and absent.
#[must_use]
pub fn text(header: &PlanHeader, seal: &PlanSeal) -> String {
    let mut text = format!("{HEADING}\n");
    for value in [
        Some(&header.plan_id),
        Some(&seal.root),
        Some(&seal.rows_root),
        Some(&header.manifest.sha256),
        Some(&header.endpoint),
        header.policy_sha256.as_ref(),
        header.expires_at.as_ref(),
        header.ticket.as_ref(),
    ] {
        text += &value.map_or_else(|| "null".to_owned(), |value| ascii_json(value));
        text.push('\n');
    }
    for target in &seal.targets {
        let (account, region) = (ascii_json(&target.account), ascii_json(&target.region));
        let _ = writeln!(text, "{account} {region} {} {} {}", target.deletes, target.skips, target.absents);
    }
    text
}

/// A JSON string of ASCII characters, as Python's `json.dumps` writes it: what cannot be seen, or is easily mistaken for something
/// else, is written as `\uXXXX`.
fn ascii_json(value: &str) -> String {
    let mut text = String::from("\"");
    for unit in value.encode_utf16() {
        match char::from_u32(u32::from(unit)) {
            Some('"') => text += "\\\"",
            Some('\\') => text += "\\\\",
            Some('\n') => text += "\\n",
            Some('\r') => text += "\\r",
            Some('\t') => text += "\\t",
            Some('\u{8}') => text += "\\b",
            Some('\u{c}') => text += "\\f",
            Some(c @ ' '..='\u{7f}') => text.push(c),
            _ => {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text.push('"');
    text
}

/// A person's name in a list of signers, as an approval may carry it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Principal(String);

/// A name that no approval may carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalError {
    /// It has other characters than are permitted, none, or begins with `-`.
    #[error("a principal consists of letters, digits and . _ @ + -, and does not begin with -: {0:?} does not")]
    Grammar(String),
    /// It is [`MAKER`].
    #[error("\"{MAKER}\" stands for the maker of a plan, so no person can be called so")]
    Maker,
}

impl std::str::FromStr for Principal {
    type Err = PrincipalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let permitted = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
        if text == MAKER {
            return Err(PrincipalError::Maker);
        }
        if text.is_empty() || text.starts_with('-') || !text.bytes().all(permitted) {
            return Err(PrincipalError::Grammar(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Principal {
    /// As the list of signers has it. Letters' case counts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The file beside the plan that holds its approval text: `PLAN.approval.txt`.
#[must_use]
pub fn text_file(plan: &Path) -> PathBuf {
    beside(plan, ".approval.txt")
}

/// The file beside the plan for the signature of `principal`: `PLAN.<principal>.sig`.
#[must_use]
pub fn signature_file(plan: &Path, principal: &Principal) -> PathBuf {
    beside(plan, &format!(".{principal}.sig"))
}

/// The file beside the plan for the signature of its maker: `PLAN.maker.sig`.
#[must_use]
pub fn maker_file(plan: &Path) -> PathBuf {
    beside(plan, &format!(".{MAKER}.sig"))
}

fn beside(plan: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = plan.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whose signature over the plan a file of this name is said to hold. The name is only a hint: nobody signed it.
#[must_use]
pub fn named_in(plan_name: &str, file_name: &str) -> Option<Principal> {
    let inner = file_name.strip_suffix(".sig")?;
    inner.strip_prefix(plan_name)?.strip_prefix('.')?.parse().ok()
}

#[cfg(test)]
mod tests;
