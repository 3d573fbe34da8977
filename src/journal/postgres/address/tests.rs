use super::*;

fn with(text: &str, variables: &[(&str, &str)]) -> Result<Address, String> {
    let env = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_owned());
    Address::parse(text, &env).map_err(|error| error.to_string())
}

fn options(address: &Address) -> PgConnectOptions {
    address.servers().unwrap().remove(0).1
}

#[test]
fn what_an_address_leaves_open_comes_from_the_environment() {
    let variables = [("PGHOST", "env.example"), ("PGPORT", "6000"), ("PGUSER", "me"), ("PGDATABASE", "d")];
    let address = with("postgres://", &variables).unwrap();
    assert_eq!(address.to_string(), "postgres://me@env.example:6000/d");
    let address = with("postgres://you@host.example/x", &variables).unwrap();
    assert_eq!(address.to_string(), "postgres://you@host.example:6000/x");
    let found = options(&address);
    assert_eq!((found.get_host(), found.get_port(), found.get_username()), ("host.example", 6000, "you"));
    assert_eq!((found.get_database(), found.get_application_name()), (Some("x"), Some("keybatch")));
}

#[test]
fn a_database_that_is_not_named_is_called_as_the_user() {
    assert_eq!(with("postgres://u@h", &[]).unwrap().database(), "u");
    assert_eq!(with("postgres://h/d", &[("USER", "me")]).unwrap().to_string(), "postgres://me@h:5432/d");
    assert!(with("postgres://h/d", &[]).unwrap_err().contains("no user"));
}

#[test]
fn certificates_are_verified_unless_the_address_says_otherwise_or_nothing_leaves_the_machine() {
    let mode = |text: &str, variables: &[(&str, &str)]| {
        format!("{:?}", options(&with(text, variables).unwrap()).get_ssl_mode())
    };
    assert_eq!(mode("postgres://u@db.example", &[]), "VerifyFull");
    assert_eq!(mode("postgres://u@10.0.0.1", &[]), "VerifyFull");
    assert_eq!(mode("postgres://u@db.example?sslmode=require", &[]), "Require");
    assert_eq!(mode("postgres://u@db.example?sslmode=require&sslrootcert=/ca.pem", &[]), "VerifyCa");
    assert_eq!(mode("postgres://u@db.example", &[("PGSSLMODE", "verify-ca")]), "VerifyCa");
    for here in ["localhost", "127.0.0.1", "[::1]"] {
        assert_eq!(mode(&format!("postgres://u@{here}"), &[]), "Prefer");
        assert_eq!(mode(&format!("postgres://u@{here}?sslmode=verify-full"), &[]), "VerifyFull");
    }
    assert_eq!(mode("postgres://u@/d?host=/run/pg", &[("PGSSLMODE", "verify-full")]), "Disable");
    for unknown in ["allow", "verify", "VERIFY-FULL"] {
        let refused = with("postgres://u@h", &[("PGSSLMODE", unknown)]).unwrap_err();
        assert!(refused.contains(&format!("sslmode={unknown} is not supported")), "{refused}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (query, name) in [
        ("target_session_attrs=standby", "target_session_attrs=standby"),
        ("channel_binding=require", "channel_binding=require"),
        ("passfile=/x", "PGPASSFILE"),
        ("options=-cx=y", "options"),
        ("krbsrvname=x", "krbsrvname"),
        ("connect_timeout=soon", "connect_timeout"),
        ("port=70000", "port"),
        ("host=a,b&port=1,2,3", "2 hosts and 3 ports"),
    ] {
        let refused = with(&format!("postgres://u@/d?{query}"), &[]).unwrap_err();
        assert!(refused.contains(name), "{refused}");
    }
    assert!(with("postgres://u@h?target_session_attrs=read-write&keepalives=1&channel_binding=prefer", &[]).is_ok());
}

#[test]
fn a_password_is_taken_from_the_environment_and_never_shown() {
    let address = with("postgres://u@h/d", &[("PGPASSWORD", "geheim")]).unwrap();
    assert_eq!(address.password.as_deref(), Some("geheim"));
    assert!(!format!("{address} {address:?}").contains("geheim"));
    let refused = Address::parse("postgres://u:geheim@h/d", &|_| None).unwrap_err();
    let JournalError::Address { reason, hint } = refused else { panic!("{refused:?}") };
    assert!(reason.contains("password") && !reason.contains("geheim"), "{reason}");
    assert!(hint.is_some_and(|hint| hint.contains("PGPASSWORD")));
}

#[test]
fn a_service_gives_what_the_address_leaves_open_and_goes_before_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("services");
    std::fs::write(&file, "[prod]\nhost=a.example,b.example\nport=1,2\nuser=s\npassword=geheim\ndbname=s\n").unwrap();
    let file = file.display().to_string();
    let variables = [("PGSERVICEFILE", &*file), ("PGUSER", "env"), ("PGPASSWORD", "other"), ("PGSERVICE", "none")];
    let address = with("postgres:///mine?service=prod", &variables).unwrap();
    assert_eq!(address.to_string(), "postgres://s@a.example:1,b.example:2/mine");
    assert_eq!(address.password.as_deref(), Some("geheim"));
    assert_eq!(with("postgres:///mine", &variables).unwrap_err().matches("no service none").count(), 1);
}

#[test]
fn what_is_shown_can_be_read_again() {
    for text in [
        "postgres://u@h:5432/d",
        "postgres://u@a:1,b:2/d",
        "postgres://u@[::1]:5433/d",
        "postgres://u%40x@/a%20b?host=/run/p%20g&port=5433",
    ] {
        assert_eq!(with(text, &[]).unwrap().to_string(), text);
    }
    assert_eq!(options(&with("postgres://u@[::1]:5433/d", &[]).unwrap()).get_host(), "::1");
    let by_socket = options(&with("postgres://u@/d?host=/run/pg&port=7", &[]).unwrap());
    assert_eq!(by_socket.get_socket().map(|path| path.display().to_string()).as_deref(), Some("/run/pg"));
}
