//! The two services that are asked, and the names that settings have for them.

/// The two services that are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Key pairs, operations, instances.
    Lightsail,
    /// Whose credentials these are.
    Sts,
}

impl Service {
    /// As people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lightsail => "Lightsail",
            Self::Sts => "STS",
        }
    }

    /// The variable that names its address alone.
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
