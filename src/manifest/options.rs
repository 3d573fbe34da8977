//! What the caller decides about a manifest.

/// How strictly a manifest is checked. The default is strict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether rows may name the default key pair.
    pub allow_default_key_pair: bool,
    /// Columns that are annotations, whatever their names and values look like. A name that no column has exactly is
    /// matched as loosely as other columns' names, and one text may hold several names, separated by commas.
    pub annotations: Vec<String>,
}
