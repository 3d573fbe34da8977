//! How large the parts of a manifest may be.

/// The longest record, including its line end. A row with name, ARN and ticket is under 1 KiB; a thousand times that means a
/// quote that never closes or a file without line ends, and must not be gathered in memory.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// The longest field as written, including quotes. The longest meaningful one (a name) has 255 bytes; an annotation may be a
/// page of text. An unclosed quote runs into this limit first.
pub const MAX_FIELD_BYTES: usize = 64 * 1024;
