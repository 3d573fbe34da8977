//! The rules that a policy may have, by their names.

use std::fmt;

macro_rules! rules {
    ($($name:ident => $word:literal,)*) => {
        /// A rule of a policy. Its name is its key in the file, the word in `overridable`, and what `--override` takes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "`docs/POLICY.md` describes each")]
        pub enum Rule {
            $($name,)*
        }

        impl Rule {
            /// All of them, in the order in which they are explained.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

rules! {
    Accounts => "accounts",
    Regions => "regions",
    Endpoints => "endpoints",
    ProtectedNames => "protected_names",
    ProtectedTags => "protected_tags",
    MinimumAge => "minimum_age",
    MaximumDeletes => "maximum_deletes",
    MaximumPercent => "maximum_percent",
    RequiredColumns => "required_columns",
    IfInUse => "if_in_use",
    Approvals => "approvals",
    FourEyes => "four_eyes",
    Rates => "rates",
}

impl Rule {
    /// The rule of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.as_str() == name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
