use super::*;

// SEMANTICS: P36
#[test]
fn a_session_goes_on_with_the_settings_of_the_run_and_limits_of_its_own() {
    let recorded = Settings { max_attempts: 9, rate: Some("3/s".into()), ..Settings::default() };
    let silent = Order::default();
    assert_eq!(silent.overrides.over(recorded.clone()), recorded);
    assert_eq!(silent.limits(100), Limits::default());
    let overrides = Overrides { max_attempts: Some(2), ..Overrides::default() };
    let named = Order { overrides, max_deletes: Some(7), ..Order::default() };
    let settings = named.overrides.over(recorded.clone());
    assert_eq!((settings.max_attempts, &settings.rate), (2, &recorded.rate));
    assert_eq!(named.limits(100), Limits { max_deletes: Some(7), ..Limits::default() });
}

// SEMANTICS: P38
#[test]
fn failures_are_a_number_or_a_share() {
    assert_eq!(MaxFailures::Percent(2.5).rows(1000), 25);
    assert_eq!(MaxFailures::Percent(1.0).rows(10), 1);
    assert_eq!((MaxFailures::Rows(0).rows(9), MaxFailures::Rows(3).rows(9)), (1, 3));
}
