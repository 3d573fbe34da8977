//! The two services that keybatch uses, and what settings call them.

/// The two services that keybatch uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Key pairs, operations, instances.
    Lightsail,
    /// The caller's identity.
    Sts,
}

impl Service {
    /// The name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lightsail => "Lightsail",
            Self::Sts => "STS",
        }
    }

    /// The variable that sets the address of this service only.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Lightsail => "AWS_ENDPOINT_URL_LIGHTSAIL",
            Self::Sts => "AWS_ENDPOINT_URL_STS",
        }
    }

    /// Its name in a `services` section.
    pub(super) fn section(self) -> &'static str {
        match self {
            Self::Lightsail => "lightsail",
            Self::Sts => "sts",
        }
    }
}
