//! Parameters of a connection by their names, and where they come from.

use std::collections::BTreeMap;

/// Parameters by libpq's names.
pub(super) type Params = BTreeMap<String, String>;

/// Looks up a variable of the environment. Only the command line reads the environment itself.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;
