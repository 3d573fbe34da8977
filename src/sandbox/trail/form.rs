//! The forms in which CloudTrail's records are handed on.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::super::derive::digest_of;
use super::event::Event;

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrailForm {
    /// Compressed log files below folders of account, region and date, as a trail delivers them to S3.
    LogFiles,
    /// The same, not compressed.
    PlainLogFiles,
    /// What `aws cloudtrail lookup-events` of version 2 prints, a file for each account and region.
    LookupEvents,
    /// The same of version 1: times are numbers.
    LookupEventsV1,
    /// One record in each file.
    Records,
    /// One list of records.
    List,
    /// One record a line.
    Lines,
}

type Failed = (PathBuf, io::Error);

impl TrailForm {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::LogFiles,
        Self::PlainLogFiles,
        Self::LookupEvents,
        Self::LookupEventsV1,
        Self::Records,
        Self::List,
        Self::Lines,
    ];

    /// The word on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LogFiles => "log-files",
            Self::PlainLogFiles => "plain-log-files",
            Self::LookupEvents => "lookup-events",
            Self::LookupEventsV1 => "lookup-events-v1",
            Self::Records => "records",
            Self::List => "list",
            Self::Lines => "lines",
        }
    }

    /// Writes the events, and returns how many files that took.
    pub(super) fn write(self, out: &Path, events: &[Event]) -> Result<u64, Failed> {
        let mut files = BTreeMap::<PathBuf, Vec<&Event>>::new();
        for event in events {
            files.entry(out.join(self.place(event))).or_default().push(event);
        }
        if files.is_empty() {
            files.insert(out.join("none.json"), Vec::new());
        }
        let count = files.len() as u64;
        for (path, mut events) in files {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|error| (folder.to_owned(), error))?;
            }
            // Neither log files nor what is looked up are in the order of time.
            match self {
                Self::LogFiles | Self::PlainLogFiles => {
                    events.sort_by_key(|event| digest_of(0, "order", event.id.as_bytes()))
                }
                Self::LookupEvents | Self::LookupEventsV1 => events.reverse(),
                _ => {}
            }
            self.file(&path, &events).map_err(|error| (path, error))?;
        }
        Ok(count)
    }

    fn place(self, event: &Event) -> PathBuf {
        let Event { account, region, time, id, .. } = event;
        match self {
            Self::LogFiles | Self::PlainLogFiles => {
                let part = |from: usize, to: usize| time.get(from..to).unwrap_or_default();
                let (year, month, day, hour) = (part(0, 4), part(5, 7), part(8, 10), part(11, 13));
                // A file for each five minutes.
                let minute = part(14, 16).parse::<u8>().unwrap_or(0) / 5 * 5;
                let random = digest_of(0, "file", format!("{account}{region}{hour}{minute}").as_bytes());
                let random = random.replace('-', "");
                let name = format!(
                    "{account}_CloudTrail_{region}_{year}{month}{day}T{hour}{minute:02}Z_{}.json",
                    random.get(..16).unwrap_or_default()
                );
                let name = if self == Self::LogFiles { format!("{name}.gz") } else { name };
                ["AWSLogs", account, "CloudTrail", region, year, month, day].iter().collect::<PathBuf>().join(name)
            }
            Self::LookupEvents | Self::LookupEventsV1 => format!("{account}-{region}.json").into(),
            Self::Records => format!("{id}.json").into(),
            Self::List => "records.json".into(),
            Self::Lines => "records.jsonl".into(),
        }
    }

    fn file(self, path: &Path, events: &[&Event]) -> io::Result<()> {
        let file = BufWriter::new(File::create(path)?);
        if self == Self::LogFiles {
            let mut file = GzEncoder::new(file, Compression::default());
            self.text(&mut file, events)?;
            return file.finish()?.flush();
        }
        let mut file = file;
        self.text(&mut file, events)?;
        file.flush()
    }

    fn text(self, file: &mut impl Write, events: &[&Event]) -> io::Result<()> {
        let [begin, between, end] = match self {
            Self::LogFiles | Self::PlainLogFiles => ["{\"Records\":[", ",", "]}\n"],
            Self::LookupEvents | Self::LookupEventsV1 => ["{\n    \"Events\": [\n", ",\n", "\n    ]\n}\n"],
            Self::List => ["[\n", ",\n", "\n]\n"],
            Self::Records | Self::Lines => ["", "\n", "\n"],
        };
        let mut before = begin;
        for event in events {
            write!(file, "{before}{}", self.one(event))?;
            before = between;
        }
        write!(file, "{}{end}", if events.is_empty() { begin } else { "" })
    }

    fn one(self, event: &Event) -> String {
        let record = event.record();
        if !matches!(self, Self::LookupEvents | Self::LookupEventsV1) {
            return record;
        }
        let time = match event.time.parse::<jiff::Timestamp>() {
            Ok(time) if self == Self::LookupEventsV1 => json!(time.as_second() as f64),
            _ => json!(event.time.replace('Z', "+00:00")),
        };
        let looked_up = json!({
            "EventId": event.id, "EventName": event.action, "ReadOnly": event.action.starts_with("Get").to_string(),
            "EventTime": time, "EventSource": event.source, "Username": "rehearsal", "Resources": [],
            "CloudTrailEvent": record,
        });
        let text = serde_json::to_string_pretty(&looked_up).unwrap_or_default();
        text.lines().map(|line| format!("        {line}")).collect::<Vec<_>>().join("\n")
    }
}
