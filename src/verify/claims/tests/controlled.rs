//! A control that was used says who, what, and a rate where it is about one.

use super::super::controlled::controlled;
use crate::record::control_used::{ControlUsed, Controlled, rate_text};

fn used(what: Controlled, per_s: Option<&str>) -> ControlUsed {
    ControlUsed { what, per_s: per_s.map(str::to_owned), by: "u".into(), uid: Some(0), database_role: None }
}

#[test]
fn a_rate_is_there_where_it_belongs_and_as_it_is_written() {
    for per_s in [1.0 / 3600.0, 0.5, 0.999_999_9, 1.0, 2.5, 20.0, 1e6] {
        assert_eq!(controlled(&used(Controlled::Rate, Some(&rate_text(per_s)))), Ok(()), "{per_s}");
    }
    for text in ["", "2", "2.5", "-1.000", "0.000000", "0.500", "inf", "1e3", "2000000.000", "unlimited", "+2.000"] {
        assert!(controlled(&used(Controlled::Rate, Some(text))).is_err(), "{text}");
    }
    assert!(controlled(&used(Controlled::Rate, None)).is_err());
    for what in [Controlled::Pause, Controlled::Continue, Controlled::Stop] {
        assert_eq!(controlled(&used(what, None)), Ok(()));
        assert!(controlled(&used(what, Some("2.000"))).is_err());
    }
    let of_role = ControlUsed { uid: None, database_role: Some("runner".into()), ..used(Controlled::Stop, None) };
    assert_eq!(controlled(&of_role), Ok(()));
    assert!(controlled(&ControlUsed { uid: Some(0), ..of_role.clone() }).is_err(), "nobody says so twice");
    assert!(controlled(&ControlUsed { database_role: Some(String::new()), ..of_role.clone() }).is_err());
    assert!(controlled(&ControlUsed { database_role: None, ..of_role }).is_err(), "somebody says who it was");
    assert!(controlled(&ControlUsed { by: String::new(), ..used(Controlled::Stop, None) }).is_err());
}
