//! How large the parts of a manifest may be.

/// Longest record, its line end included. A row of names, ARN and a ticket is under 1 KiB; a thousand times that is
/// no manifest but a quote that never closes or a file without line ends, and must not be gathered in memory.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// Longest field as written, quotes included: the longest meaningful one (a name) has 255 bytes, an annotation may
/// be a page of text. It is what an unclosed quote runs into first.
pub const MAX_FIELD_BYTES: usize = 64 * 1024;
