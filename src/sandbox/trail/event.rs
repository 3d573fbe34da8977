//! One event, from what the sandbox recorded of a request.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::derive::ACCOUNT;
use super::names::{caller, id, somebody_else};

/// A line of the sandbox's record.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    pub(super) kind: String,
    pub(super) at: String,
    #[serde(default)]
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) operation: String,
    #[serde(default)]
    pub(super) region: String,
    pub(super) name: Option<String>,
    #[serde(default)]
    request_id: String,
    pub(super) account: Option<String>,
    caller_arn: Option<String>,
    #[serde(default)]
    user_agent: String,
    status: Option<u16>,
    error: Option<String>,
    #[serde(default)]
    effect: String,
    #[serde(default)]
    arn: String,
    #[serde(default)]
    pub(super) by: u64,
    #[serde(default)]
    who: String,
}

impl Line {
    pub(super) fn account(&self) -> &str {
        self.account.as_deref().unwrap_or(ACCOUNT)
    }
}

/// What happened to a key pair.
#[derive(Debug)]
pub(super) struct Effect {
    pub(super) who: String,
    deleted: bool,
    at: String,
    region: String,
    account: String,
    name: String,
    operation: String,
}

impl Effect {
    pub(super) fn of(line: Line) -> Self {
        // arn:aws-sandbox:lightsail:REGION:ACCOUNT:KeyPair/ID
        let account = line.arn.split(':').nth(4).unwrap_or(ACCOUNT).to_owned();
        Self {
            who: line.who,
            deleted: line.effect == "deleted",
            at: line.at,
            region: line.region,
            account,
            name: line.name.unwrap_or_default(),
            operation: line.operation,
        }
    }
}

/// An event as CloudTrail has it.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) time: String,
    pub(super) account: String,
    pub(super) region: String,
    pub(super) action: String,
    pub(super) name: Option<String>,
    pub(super) source: &'static str,
    pub(super) by: String,
    pub(super) user_agent: Option<String>,
    pub(super) source_ip: String,
    pub(super) request_id: Option<String>,
    pub(super) error: Option<String>,
    /// The operation that it began.
    pub(super) operation: Option<String>,
    /// Which of the possible shapes the answer has.
    pub(super) shape: u64,
}

impl Event {
    /// What CloudTrail has of a request; nothing where it never reached the service.
    pub(super) fn of(seed: u64, line: &Line, effect: Option<&Effect>) -> Option<Self> {
        // Without an answer or an effect, the request never arrived; an error without a name is not the service's.
        let error = line.error.clone().filter(|_| effect.is_none());
        if effect.is_none() && (line.status.is_none() || (error.is_none() && line.status != Some(200))) {
            return None;
        }
        let late = effect.filter(|_| line.status.is_none());
        let account = line.account().to_owned();
        let is_sts = matches!(&*line.operation, "GetCallerIdentity" | "AssumeRole");
        Some(Self {
            id: id(seed, "event", &[line.seq]),
            time: second(late.map_or(&line.at, |effect| &effect.at)),
            by: line.caller_arn.clone().unwrap_or_else(|| caller(&account)),
            account,
            region: line.region.clone(),
            action: line.operation.clone(),
            name: line.name.clone(),
            source: if is_sts { "sts.amazonaws.com" } else { "lightsail.amazonaws.com" },
            user_agent: Some(line.user_agent.clone()),
            source_ip: "192.0.2.10".to_owned(),
            request_id: Some(line.request_id.clone()),
            error,
            operation: effect.map(|effect| effect.operation.clone()),
            shape: line.seq % 4,
        })
    }

    /// What somebody else did.
    pub(super) fn by_others(seed: u64, seq: u64, place: usize, effect: &Effect) -> Self {
        let numbers = [seq, place as u64];
        Self {
            id: id(seed, "event of others", &numbers),
            time: second(&effect.at),
            account: effect.account.clone(),
            region: effect.region.clone(),
            action: if effect.deleted { "DeleteKeyPair" } else { "CreateKeyPair" }.to_owned(),
            name: Some(effect.name.clone()),
            source: "lightsail.amazonaws.com",
            by: somebody_else(&effect.account),
            user_agent: Some("aws-cli/2.17.0 md/awscrt#0.20.11 exec-env/sandbox".to_owned()),
            source_ip: "203.0.113.7".to_owned(),
            request_id: Some(id(seed, "request of others", &numbers)),
            error: None,
            operation: Some(effect.operation.clone()),
            shape: seq % 4,
        }
    }

    /// The record, with its members in CloudTrail's order.
    pub(super) fn record(&self) -> String {
        let denied = self.error.as_deref().is_some_and(|error| error.starts_with("AccessDenied"));
        let parameters = match &self.name {
            Some(name) if !denied => json!({ "keyPairName": name }),
            _ => Value::Null,
        };
        let mut members = vec![
            ("eventVersion", json!("1.09")),
            ("userIdentity", json!({ "type": kind_of(&self.by), "arn": self.by, "accountId": self.account })),
            ("eventTime", json!(self.time)),
            ("eventSource", json!(self.source)),
            ("eventName", json!(self.action)),
            ("awsRegion", json!(self.region)),
            ("sourceIPAddress", json!(self.source_ip)),
        ];
        members.extend(self.user_agent.as_ref().map(|agent| ("userAgent", json!(agent))));
        if let Some(error) = &self.error {
            // What it is called here is not what the API calls it.
            let code = if denied { "AccessDenied" } else { error };
            let place = format!("arn:aws-sandbox:lightsail:{}:{}:*", self.region, self.account);
            let message =
                format!("{} is not permitted to perform: lightsail:{} on resource: {place}", self.by, self.action);
            members.push(("errorCode", json!(code)));
            members.push(("errorMessage", json!(if denied { message } else { error.clone() })));
        }
        members.push(("requestParameters", parameters));
        match self.response() {
            Some(response) => members.push(("responseElements", response)),
            None if self.shape == 3 => {}
            None => members.push(("responseElements", Value::Null)),
        }
        members.extend(self.request_id.as_ref().map(|id| ("requestID", json!(id))));
        members.extend([
            ("eventID", json!(self.id)),
            ("readOnly", json!(self.action.starts_with("Get"))),
            ("eventType", json!("AwsApiCall")),
            ("managementEvent", json!(true)),
            ("recipientAccountId", json!(self.account)),
            ("eventCategory", json!("Management")),
        ]);
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    /// The answer: nobody has published its shape, so there are several.
    fn response(&self) -> Option<Value> {
        let id = self.operation.as_ref()?;
        let operation = json!({
            "id": id, "resourceName": self.name, "resourceType": "KeyPair", "operationType": self.action,
            "createdAt": spoken(&self.time), "isTerminal": true, "status": "Succeeded",
        });
        match self.shape {
            0 => Some(json!({ "operations": [operation] })),
            1 => Some(json!({ "operation": operation })),
            _ => None,
        }
    }
}

/// What CloudTrail calls whoever has this ARN.
fn kind_of(arn: &str) -> &'static str {
    match arn.split(':').next_back() {
        Some("root") => "Root",
        Some(rest) if rest.starts_with("user/") => "IAMUser",
        _ => "AssumedRole",
    }
}

/// A time in whole seconds.
pub(super) fn second(at: &str) -> String {
    at.get(..19).map_or_else(|| at.to_owned(), |text| format!("{text}Z"))
}

/// A time as answers have it there: `Jul 10, 2023, 12:47:00 PM`.
fn spoken(time: &str) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let part = |from: usize, to: usize| time.get(from..to).and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    let month = MONTHS.get(part(5, 7).wrapping_sub(1)).copied().unwrap_or("Jan");
    let (hour, minute, second) = (part(11, 13), part(14, 16), part(17, 19));
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
    format!("{month} {}, {}, {hour}:{minute:02}:{second:02} {half}", part(8, 10), part(0, 4))
}
