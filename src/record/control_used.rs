//! What a person did to a session at work with `keybatch control`.

use serde::{Deserialize, Serialize};

/// A running session was controlled, before it did what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlUsed {
    /// What it was told.
    pub what: Controlled,
    /// The rate that no target exceeds from now on, of `rate`: requests per second, a decimal with three digits after the point, or
    /// six if it is below one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_s: Option<String>,
    /// Who told it: through a socket, the operating system's user that its other end belongs to; through a database, user and
    /// machine, as the one who asked said.
    pub by: String,
    /// Through a socket: that user's number, as the kernel says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Through a database: as whom that knows the one who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_role: Option<String>,
}

impl ControlUsed {
    /// For people: who used it, and who vouches for that.
    #[must_use]
    pub fn who(&self) -> String {
        match (&self.uid, &self.database_role) {
            (Some(uid), _) => format!("{} (uid {uid})", self.by),
            (None, Some(role)) => format!("{} (database role {role})", self.by),
            (None, None) => self.by.clone(),
        }
    }
}

/// What a running session can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Controlled {
    /// To request no further deletion.
    Pause,
    /// To go on after a pause.
    Continue,
    /// To exceed this rate in no target.
    Rate,
    /// To end as after a first signal.
    Stop,
}

impl Controlled {
    /// The word that entries have for it, and the command.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Continue => "continue",
            Self::Rate => "rate",
            Self::Stop => "stop",
        }
    }
}

/// A rate as entries have it: canonical JSON has no fractions. One below one per second keeps more digits, so that one per hour is
/// not nothing.
#[must_use]
pub fn rate_text(per_s: f64) -> String {
    let fine = format!("{per_s:.6}");
    if fine.starts_with("0.") { fine } else { format!("{per_s:.3}") }
}
