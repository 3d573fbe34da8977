//! The names that the consoles give AWS's regions.

/// The regions' names that the consoles show, up to the parenthesis, in lower case.
pub(super) const AREAS: [&str; 14] = [
    "us east (",
    "us west (",
    "us-east (",
    "us-west (",
    "europe (",
    "eu (",
    "asia pacific (",
    "canada (",
    "south america (",
    "middle east (",
    "africa (",
    "israel (",
    "mexico (",
    "aws govcloud (",
];

/// The names that Lightsail's console gives its regions. They are cities, too, so they count only under a header that
/// speaks of a region.
pub(super) const CITIES: [&str; 17] = [
    "virginia",
    "ohio",
    "oregon",
    "montreal",
    "ireland",
    "london",
    "paris",
    "frankfurt",
    "stockholm",
    "mumbai",
    "singapore",
    "sydney",
    "tokyo",
    "seoul",
    "jakarta",
    "n. virginia",
    "central",
];
