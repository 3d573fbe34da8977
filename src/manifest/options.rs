//! What the caller decides about a manifest.

/// How a manifest is to be judged. The default is the stricter one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether rows may name the default key pair.
    pub allow_default_key_pair: bool,
    /// Columns that are annotations, whatever their names and values look like. A name that no column has exactly may be
    /// spelt otherwise as those of other columns may, and one text may hold several, separated by commas.
    pub annotations: Vec<String>,
}
