//! What to do about each fault, in words for the person who wrote the file.

use super::first_line::FirstLine;
use super::kind::FaultKind;
use super::looks::Looks;
use super::meaning::Meaning;
use super::shape::is_scientific;
use super::show::{Shown, defuse};
use super::trouble::{
    AccountTrouble, ArnTrouble, Encoding, FingerprintTrouble, HeaderTrouble, NameTrouble, RegionTrouble, Surplus,
    TimeTrouble,
};

const SEE_QUOTES: &str = "put the whole field in quotes and double every quote inside it: \"a \"\"b\"\" c\". \
    Until then it is uncertain where this record ends, so no row of the file is used";
const NAME_RULE: &str = "names have 2 to 255 ASCII letters, digits, `_` and `-`, and no dash at either end";

/// The hint for `kind`; every fault has one.
pub(super) fn hint(kind: &FaultKind) -> String {
    wrapped(kind).map_or_else(|| of_kind(kind), str::to_owned)
}

/// What a spreadsheet or word processor may have put around a value.
fn wrapped(kind: &FaultKind) -> Option<&'static str> {
    let (FaultKind::NamePattern { value, .. }
    | FaultKind::Region { value, .. }
    | FaultKind::AccountId { value, .. }
    | FaultKind::Arn { value, .. }
    | FaultKind::CreatedAt { value, .. }
    | FaultKind::Fingerprint { value, .. }) = kind
    else {
        return None;
    };
    let value = value.as_str();
    if value.starts_with(['\'', '’', '‘']) {
        Some("remove the apostrophe, which spreadsheets use to mark text")
    } else if value.contains(['“', '”', '„', '«', '»']) {
        Some(
            "replace the typographic quotation marks with straight ones (\"), or remove them; word processors insert them",
        )
    } else if value.starts_with("=\"") {
        Some("remove the =\"…\" around it, which spreadsheets use to keep text unchanged")
    } else {
        None
    }
}

/// A table with one arm for each kind, so its length follows from the number of kinds.
fn of_kind(kind: &FaultKind) -> String {
    match kind {
        FaultKind::Empty => {
            "it needs a header line with a `key_pair_name` column, then one row for each key pair".into()
        }
        FaultKind::NoRows => "add one row for each key pair below the header".into(),
        FaultKind::FirstLine(first) => first_line(*first),
        FaultKind::HeaderRepeated => {
            "remove the line: concatenated files need only the first header. (If a key pair really has this name, use \
             another accepted spelling for the column)"
                .into()
        }
        FaultKind::HeaderChanged => "files with different columns cannot be concatenated; run them one by one".into(),
        FaultKind::NameColumnMissing(trouble) => header(trouble),
        FaultKind::ColumnRepeated { name, .. } => {
            format!("keep one of the two, or keep one as an annotation, by renaming it or with --annotation '{name}'")
        }
        FaultKind::ColumnUnnamed(1) => {
            "name the column, or remove it. If it is an index, to_csv(index=False) in pandas \
             and row.names=FALSE in R omit it"
                .into()
        }
        FaultKind::ColumnUnnamed(_) => {
            "name the column, or remove it (is there an extra comma at the end of the header?)".into()
        }
        FaultKind::ColumnUnread { name, looks, .. } => unread(name, *looks),
        FaultKind::Secret { secret, .. } | FaultKind::SecretInHeader { secret, .. } => format!(
            "remove it from the file, and revoke it if others could read the file: keybatch never needs {secret}, and has \
             neither shown nor recorded this one"
        ),
        FaultKind::Encoding(encoding) => self::encoding(*encoding).into(),
        FaultKind::Nul => "the file is damaged or binary, or it is UTF-16 without a byte order mark".into(),
        FaultKind::FieldTooLong { quoted: true } => "the quote it begins with is probably never closed".into(),
        FaultKind::FieldTooLong { quoted: false } => "is this a manifest? No column needs a value that long".into(),
        FaultKind::RecordTooLong => "is this a manifest? Lines must end with LF or CRLF".into(),
        FaultKind::QuoteUnclosed => {
            "close it, or double it if it belongs to the text; the file may also be cut off".into()
        }
        FaultKind::QuoteInBareField | FaultKind::TextAfterQuote => SEE_QUOTES.into(),
        FaultKind::BareCarriageReturn => {
            "save the file with LF or CRLF line ends (if all end with CR: tr '\\r' '\\n'), or \
             quote the field"
                .into()
        }
        FaultKind::FieldCount { surplus, .. } => self::surplus(*surplus).into(),
        FaultKind::NameMissing => "remove the row, or enter the name".into(),
        FaultKind::NamePattern { value, .. } if is_scientific(value.as_str()) => {
            "a spreadsheet turned it into a number; format the column as text and enter it again".into()
        }
        FaultKind::NamePattern { trouble, .. } => name(*trouble),
        FaultKind::Placeholder { column, .. } => {
            format!("enter the `{column}` that is meant, or leave the cell empty if the row has no such condition")
        }
        FaultKind::Region { trouble, .. } => region(*trouble).into(),
        FaultKind::AccountId { trouble, .. } => account(*trouble),
        FaultKind::Arn { trouble, .. } => arn(*trouble).into(),
        FaultKind::ArnDisagrees { .. } => "one of the two is wrong; find out which before anything is deleted".into(),
        FaultKind::CreatedAt { trouble, .. } => time(*trouble).into(),
        FaultKind::Fingerprint { trouble, .. } => fingerprint(*trouble).into(),
        FaultKind::DefaultUnconfirmed => {
            "the API needs it; get it with: aws lightsail get-key-pairs --include-default-key-pair --region REGION"
                .into()
        }
        FaultKind::DefaultProtected => "remove the row, or pass --allow-default-key-pair if you mean it".into(),
        FaultKind::Contradiction { .. } => {
            "keep the row that is right; rows that agree are skipped as duplicates".into()
        }
    }
}

fn unread(name: &Shown, looks: Looks) -> String {
    let meant = looks.meaning().canonical();
    let how = match looks {
        Looks::Region => " and write the regions' codes in it",
        Looks::Zone => " and write the regions in it, that is, the zones without their last letter",
        Looks::Arn => " if these are ARNs of Lightsail's key pairs",
        Looks::LightsailArn | Looks::Fingerprint | Looks::AccountId | Looks::Time => "",
    };
    format!(
        "if rows are to be deleted only under this condition, rename the column to `{meant}`{how}; \
         if it is only an annotation, run with --annotation '{name}'"
    )
}

fn first_line(first: FirstLine) -> String {
    match first {
        FirstLine::Separator(Some(c)) if c != ',' => format!(
            "remove the line, and separate the columns with commas instead of `{}` (in Excel: save as \"CSV UTF-8\", \
             with a comma as the system's list separator)",
            defuse(&c.to_string())
        ),
        FirstLine::Separator(_) | FirstLine::Comment => "remove the line".into(),
        FirstLine::Type => "remove the line, or export with: Export-Csv -NoTypeInformation".into(),
        FirstLine::Json => {
            "convert it, for example: jq -r '.keyPairs[] | [.name, .location.regionName, .arn] | @csv', \
             with a header line before it"
                .into()
        }
        FirstLine::Markup => "a sign-in or error page may have been saved in its place; export the table as CSV".into(),
        FirstLine::MisreadByteOrderMark => {
            "some program read the UTF-8 file as another encoding: export it again from its source, because other \
             characters may be damaged, too. If only these characters are wrong, remove them"
                .into()
        }
        FirstLine::QuotedName => {
            "remove them, or put each name once in straight double quotes (\"), and do the same in the rows".into()
        }
        FirstLine::ByteOrderMark => {
            "save the file again as UTF-8 with one byte order mark or none, or remove the first \
             three bytes: tail -c +4"
                .into()
        }
    }
}

fn header(trouble: &HeaderTrouble) -> String {
    let accepted = Meaning::Name.spellings().join("`, `");
    match trouble {
        HeaderTrouble::Delimiter('\t') => "the columns seem to be separated by tabs; use commas".into(),
        HeaderTrouble::Delimiter(' ') => {
            "the columns seem to be separated by spaces; use commas (in R: write.csv with row.names=FALSE)".into()
        }
        HeaderTrouble::Delimiter(c) => format!("the columns seem to be separated by `{c}`; use commas"),
        HeaderTrouble::Near { written, meant } => {
            format!("did you mean `{meant}` instead of `{written}`? Accepted spellings are `{accepted}`")
        }
        HeaderTrouble::NoHeader => {
            format!("the first line must name the columns; the column with the names is called `{accepted}`")
        }
        HeaderTrouble::Other => format!("accepted spellings are `{accepted}`"),
    }
}

fn surplus(surplus: Option<Surplus>) -> &'static str {
    match surplus {
        None => "the file may have been cut off here; if it is complete, end the row with a line break",
        Some(Surplus::Empty) => {
            "the row has trailing commas: remove those beyond the last column. If a value further left contains a \
             comma, put that value in quotes instead"
        }
        Some(Surplus::RowNumber) => {
            "the row begins with a number that no column of the header stands for, as R's write.table writes it: \
             export with row.names=FALSE. If that number is a value, put any value that contains a comma in quotes"
        }
        Some(Surplus::Value) => "put any value that contains a comma in quotes",
    }
}

fn encoding(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Utf16 => "convert it: iconv -f UTF-16 -t UTF-8, or in Excel save as \"CSV UTF-8\"",
        Encoding::Utf32 => "convert it: iconv -f UTF-32 -t UTF-8",
        Encoding::Zip => "export the sheet as CSV (in Excel: \"CSV UTF-8\")",
        Encoding::Gzip => "unpack it: gunzip -c FILE | keybatch … -",
        Encoding::OneByte(_) => "convert it: iconv -f WINDOWS-1252 -t UTF-8, or in Excel save as \"CSV UTF-8\"",
    }
}

fn name(trouble: NameTrouble) -> String {
    match trouble {
        NameTrouble::Edge(_) => "remove it; keybatch compares names exactly, so it trims nothing".into(),
        NameTrouble::Arn => "put it into an `arn` column, and the name into this one".into(),
        NameTrouble::Character(glyph, _) if !glyph.0.is_ascii() => {
            format!("it may only look like an ASCII character, as in text pasted from a document: {NAME_RULE}")
        }
        NameTrouble::TooShort | NameTrouble::TooLong(_) | NameTrouble::Dash | NameTrouble::Character(..) => {
            NAME_RULE.into()
        }
    }
}

fn region(trouble: RegionTrouble) -> &'static str {
    match trouble {
        RegionTrouble::Space => "remove the white space around it",
        RegionTrouble::Case => "regions are written in lower case, such as us-east-1",
        RegionTrouble::Zone => "this looks like an availability zone; remove the last letter",
        RegionTrouble::Name => "write the region's code, such as eu-central-1, instead of the name that consoles show",
        RegionTrouble::Other => "a region is written like us-east-1 or eu-central-2",
    }
}

fn account(trouble: AccountTrouble) -> String {
    match trouble {
        AccountTrouble::LeadingZeros(digits) => format!(
            "it has {digits} digit{}; spreadsheets drop leading zeros: format the column as text",
            if digits == 1 { "" } else { "s" }
        ),
        AccountTrouble::Scientific => {
            "a spreadsheet rounded it, so digits are lost; format the column as text and enter it again".into()
        }
        AccountTrouble::Separators => "write only the digits".into(),
        AccountTrouble::Other => "an account id is 12 digits, such as 111122223333".into(),
    }
}

fn arn(trouble: ArnTrouble) -> &'static str {
    match trouble {
        ArnTrouble::Uuid => "Lightsail's ARNs end with a UUID, not with the key pair's name; copy it from GetKeyPairs",
        ArnTrouble::Service => "EC2's key pairs are separate; keybatch deletes only those of Lightsail",
        ArnTrouble::Shape | ArnTrouble::Region | ArnTrouble::Account | ArnTrouble::Resource => {
            "copy it from GetKeyPairs, or leave the field empty"
        }
    }
}

fn time(trouble: TimeTrouble) -> &'static str {
    match trouble {
        TimeTrouble::NoOffset => "add the offset from UTC: 2024-05-01T12:30:00Z or 2024-05-01T14:30:00+02:00",
        TimeTrouble::NotSeconds => "epoch times are seconds with up to 9 decimals, such as 1714566600.123",
        TimeTrouble::Reformatted => {
            "a spreadsheet or PowerShell converted it to a local format, which loses the offset and the order of day and month; \
             export it again as 2024-05-01T12:30:00Z, or empty the column's cells to drop this condition"
        }
        TimeTrouble::DayNumber => "this is how spreadsheets count days; format the column as text and export it again",
        TimeTrouble::Scientific => "a spreadsheet rounded it; write it as 2024-05-01T12:30:00Z",
        TimeTrouble::Other => "write it as 2024-05-01T12:30:00Z, or as epoch seconds such as 1714566600.123",
    }
}

fn fingerprint(trouble: FingerprintTrouble) -> &'static str {
    match trouble {
        FingerprintTrouble::Character(_) | FingerprintTrouble::Wrapped => "copy it exactly as GetKeyPairs gives it",
        FingerprintTrouble::TooLong(_) => "is this the public key? A fingerprint is much shorter",
    }
}
