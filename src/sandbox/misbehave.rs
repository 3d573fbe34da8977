//! What the fault script does to a request: a refusal, an interference before it, or a spoilt answer after it.
//!
//! The order matters and is the same for all kinds: refuse, interfere, carry out the operation, spoil the answer.

use super::answer::{Answer, Error, Manner, Refusal, error_of, html_503, json};
use super::engine::{Engine, denied, expired};
use super::fault::{Delivery, Fault, Kind, When};
use super::turn::Turn;

impl Engine {
    /// Does what the script demands instead.
    pub(super) fn misbehave(&mut self, turn: &mut Turn<'_>, fault: &Fault) -> (Answer, Manner) {
        if let Some(refusal) = refusal_of(fault, turn) {
            return (self.refused(turn, &refusal), Manner::Whole);
        }
        let hang = Manner::Hang { hold_ms: fault.hold_ms() };
        let lost = |answer: Option<Delivery>, default: Manner| match answer {
            Some(Delivery::Sent) => Manner::Whole,
            Some(Delivery::Cut) => Manner::Cut,
            Some(Delivery::Hang) => hang,
            None => default,
        };
        match fault.kind {
            Kind::Html503 => return (html_503(), Manner::Whole),
            Kind::CutBefore => return (Answer::default(), Manner::Cut),
            Kind::Hang => return (Answer::default(), hang),
            Kind::LateDelivery => {
                self.deliver_later(turn, fault);
                return (Answer::default(), lost(fault.answer, Manner::Cut));
            }
            Kind::ExpiredCredentials => {
                match fault.requests {
                    Some(requests) => self.expired_requests = requests - 1,
                    None => self.callers.expire(&turn.call.caller),
                }
                return (self.refused(turn, &expired()), Manner::Whole);
            }
            Kind::Error => return (error(fault), Manner::Whole),
            Kind::VanishBefore | Kind::RecreateBefore => self.interfere(turn, fault),
            Kind::Raw if fault.effect != Some(When::AtOnce) => return (raw(fault), Manner::Whole),
            _ => {}
        }
        let answer = self.obey(turn, Some(fault));
        // Only a success can be spoilt: a refusal stays what it is.
        let success = answer.error.is_none();
        match fault.kind {
            Kind::Error500After => {
                let refusal = Error::Service.says(fault.message.as_deref().unwrap_or(INTERNAL));
                (self.refused(turn, &refusal), Manner::Whole)
            }
            Kind::Html503After => (html_503(), Manner::Whole),
            Kind::CutAfter => (answer, Manner::Cut),
            Kind::HangAfter => (answer, hang),
            Kind::LateEffect => (answer, lost(fault.answer, Manner::Cut)),
            Kind::RecreateAfter => (answer, lost(fault.answer, Manner::Whole)),
            Kind::Truncated200 if success => (answer, Manner::Truncated),
            Kind::Empty200 if success => (json("{}".to_owned()), Manner::Whole),
            Kind::EmptyBody200 if success => (json(String::new()), Manner::Whole),
            Kind::Raw => (raw(fault), Manner::Whole),
            _ => (answer, Manner::Whole),
        }
    }
}

const INTERNAL: &str = "An internal error has occurred.";

/// What the fault refuses with, if it is a plain refusal.
fn refusal_of(fault: &Fault, turn: &Turn<'_>) -> Option<Refusal> {
    let name = turn.call.name().unwrap_or("*");
    let (error, message) = match fault.kind {
        Kind::Throttle => (Error::Throttling, "Rate exceeded".to_owned()),
        Kind::Error500Before => (Error::Service, INTERNAL.to_owned()),
        Kind::Deny => {
            return Some(
                fault.message.as_ref().map_or_else(|| denied(turn, name), |said| Error::AccessDenied.says(said)),
            );
        }
        Kind::NotFoundThoughThere => (Error::NotFound, format!("The KeyPair does not exist: {name}")),
        Kind::AccountSetupInProgress => (Error::AccountSetup, "Your account is being set up.".to_owned()),
        Kind::RegionSetupInProgress => (Error::RegionSetup, "The Region is being set up.".to_owned()),
        Kind::InvalidInput => (Error::InvalidInput, "The input is not valid.".to_owned()),
        _ => return None,
    };
    Some(error.says(fault.message.clone().unwrap_or(message)))
}

/// An error in exactly the form that the script demands, as the service's front ends send them.
fn error(fault: &Fault) -> Answer {
    let body = [("__type", &fault.error_type), ("code", &fault.code), ("message", &fault.message)];
    let body = body.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    error_of(fault.status.unwrap_or(400), fault.header.as_deref(), body)
}

fn raw(fault: &Fault) -> Answer {
    Answer {
        status: fault.status.unwrap_or(200),
        content_type: "application/x-amz-json-1.1",
        error: None,
        headers: fault.headers.clone().unwrap_or_default().into_iter().collect(),
        body: fault.body.clone().unwrap_or_default(),
    }
}
