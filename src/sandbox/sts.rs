//! The operations of STS: who the caller is, and sessions of roles.
//!
//! STS speaks XML. A role is found by account and name, in whatever partition its ARN is, so that a configuration that is
//! meant for AWS can be rehearsed as it is.

use super::answer::{Answer, Error, Refusal, xml};
use super::callers::{Caller, Session};
use super::clock::{Micros, rfc3339_seconds};
use super::derive;
use super::engine::{Engine, denied};
use super::turn::Turn;

/// How long a session of a role may last, and lasts if nobody says, in seconds.
const DURATION_S: std::ops::RangeInclusive<u64> = 900..=43_200;
const DEFAULT_DURATION_S: u64 = 3_600;

impl Engine {
    /// Who the caller is; none of them exists at AWS.
    pub(super) fn get_caller_identity(turn: &Turn<'_>) -> Answer {
        let Caller { arn, user_id, account_id, .. } = &turn.caller;
        let result = format!(
            "<Arn>{}</Arn>\n    <UserId>{}</UserId>\n    <Account>{account_id}</Account>",
            xml(arn),
            xml(user_id)
        );
        answer("GetCallerIdentity", &result, &turn.request_id)
    }

    /// Gives the caller temporary credentials of a role, if the world has that role and lets the caller have it.
    pub(super) fn assume_role(&mut self, turn: &Turn<'_>) -> Result<Answer, Refusal> {
        let input = &turn.call.input;
        let arn = given(input.role_arn.as_ref(), "roleArn")?;
        let session_name = given(input.role_session_name.as_ref(), "roleSessionName")?;
        let good = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if !(2..=64).contains(&session_name.len()) || !session_name.chars().all(good) {
            return Err(invalid(
                session_name,
                "roleSessionName",
                "Member must satisfy regular expression pattern: [\\w+=,.@-]*",
            ));
        }
        let duration_s = match &input.duration_seconds {
            None => DEFAULT_DURATION_S,
            Some(text) => text
                .parse()
                .ok()
                .filter(|seconds| DURATION_S.contains(seconds))
                .ok_or_else(|| invalid(text, "durationSeconds", "Member must have value between 900 and 43200"))?,
        };
        let named = parts(arn).ok_or_else(|| Error::InvalidInput.says(format!("{arn} is invalid")))?;
        let refused = || denied(turn, arn);
        let account = self.accounts.iter().position(|account| *account.id == *named.0).ok_or_else(refused)?;
        let role = self.accounts[account].roles.get(named.1).ok_or_else(refused)?;
        let trusts = |list: &Vec<String>| list.iter().any(|id| **id == *turn.caller.account_id);
        // AWS does not say which condition of a trust policy was not met, either.
        if !role.trusts.as_ref().is_none_or(trusts)
            || role.external_id.as_ref().is_some_and(|wanted| input.external_id.as_ref() != Some(wanted))
        {
            return Err(refused());
        }
        let duration = duration_s.saturating_mul(1_000_000);
        let duration = role.expires_after_ms.map_or(duration, |ms| duration.min(ms.saturating_mul(1_000)));
        let expires_after_deletes = role.expires_after_deletes;
        Ok(self.begin_session(
            turn,
            account,
            named.1,
            session_name,
            (turn.at.saturating_add(duration), expires_after_deletes),
        ))
    }

    fn begin_session(
        &mut self,
        turn: &Turn<'_>,
        account: usize,
        role: &str,
        name: &str,
        (until, expires_after_deletes): (Micros, Option<u64>),
    ) -> Answer {
        let account_id = self.accounts[account].id.clone();
        let [access_key_id, secret, token] = derive::role_credentials(self.seed, turn.seq);
        let arn = derive::session_arn(&account_id, role, name);
        let user_id = format!("SANDBOX{}:{name}", role.to_uppercase());
        let result = format!(
            "<AssumedRoleUser>\n      <AssumedRoleId>{}</AssumedRoleId>\n      <Arn>{}</Arn>\n    </AssumedRoleUser>\n    \
             <Credentials>\n      <AccessKeyId>{access_key_id}</AccessKeyId>\n      \
             <SecretAccessKey>{secret}</SecretAccessKey>\n      <SessionToken>{token}</SessionToken>\n      \
             <Expiration>{}</Expiration>\n    </Credentials>",
            xml(&user_id),
            xml(&arn),
            rfc3339_seconds(until),
        );
        let caller = Caller { account, account_id, arn: arn.into(), user_id: user_id.into() };
        self.callers.add(Session { caller, access_key_id, token, until, expires_after_deletes });
        answer("AssumeRole", &result, &turn.request_id)
    }
}

/// Account and name of the role with this ARN.
fn parts(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (Some("arn"), Some(_), Some("iam"), Some(""), Some(account)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let path = parts.next()?.strip_prefix("role/")?;
    let name = path.rsplit('/').next()?;
    (!name.is_empty()).then_some((account, name))
}

fn given<'a>(value: Option<&'a String>, field: &str) -> Result<&'a str, Refusal> {
    value.map(String::as_str).filter(|value| !value.is_empty()).ok_or_else(|| {
        Error::InvalidInput.says(format!(
            "1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

fn invalid(value: &str, field: &str, constraint: &str) -> Refusal {
    Error::InvalidInput.says(format!(
        "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"
    ))
}

fn answer(operation: &str, result: &str, request_id: &str) -> Answer {
    let body = format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <{operation}Result>\n    \
         {result}\n  </{operation}Result>\n  <ResponseMetadata>\n    <RequestId>{request_id}</RequestId>\n  \
         </ResponseMetadata>\n</{operation}Response>\n"
    );
    Answer { status: 200, content_type: "text/xml", body, ..Answer::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_found_in_any_partition_and_under_any_path() {
        for arn in ["arn:aws:iam::111122223333:role/deleter", "arn:aws-sandbox:iam::111122223333:role/ops/eu/deleter"] {
            assert_eq!(parts(arn), Some(("111122223333", "deleter")));
        }
        for arn in ["", "deleter", "arn:aws:iam::111122223333:user/deleter", "arn:aws:sts::111122223333:role/deleter"] {
            assert_eq!(parts(arn), None);
        }
    }
}
