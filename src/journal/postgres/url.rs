//! Takes an address apart, as libpq reads connection URIs. Pure.

use super::params::Params;

/// Whether this names a journal in PostgreSQL, not a file.
#[must_use]
pub fn is_address(text: &str) -> bool {
    after_scheme(text).is_some()
}

fn after_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"))
}

/// The parameters that an address gives. An error says why it cannot be read, and repeats nothing of it.
pub(super) fn parse(text: &str) -> Result<Params, String> {
    let rest = after_scheme(text).ok_or("it does not begin with postgres://")?;
    if rest.contains('#') {
        return Err("it holds a #; write %23".into());
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains(':') {
        return Err(PASSWORD.into());
    }
    let mut params = Params::default();
    let mut put = |key: &str, value: String| {
        if !value.is_empty() {
            params.insert(key.to_owned(), value);
        }
    };
    put("user", decode(user)?);
    put("dbname", decode(database)?);
    let hosts = hosts.split(',').map(host_and_port).collect::<Result<Vec<_>, _>>()?;
    let list = |pick: fn(&(String, String)) -> &str| hosts.iter().map(pick).collect::<Vec<_>>().join(",");
    for (key, value) in [("host", list(|(host, _)| host)), ("port", list(|(_, port)| port))] {
        // Neither one host without a name nor two without ports say anything.
        put(key, if value.chars().all(|c| c == ',') { String::new() } else { value });
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or("a parameter has no =")?;
        let key = decode(key)?;
        if key == "password" {
            return Err(PASSWORD.into());
        }
        put(&key, decode(value)?);
    }
    Ok(params)
}

/// What is said of a password in an address.
pub(super) const PASSWORD: &str =
    "it holds a password, which other users of this machine could read in the process list";

fn host_and_port(text: &str) -> Result<(String, String), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("an IPv6 address has no ]")?;
            let port = if rest.is_empty() { "" } else { rest.strip_prefix(':').ok_or("something follows a ]")? };
            (host, port)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    Ok((decode(host)?, decode(port)?))
}

/// Resolves `%2F` and the like.
fn decode(text: &str) -> Result<String, String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
            return Err("a % is not followed by two hexadecimal digits".into());
        };
        decoded.extend(u8::try_from(high * 16 + low));
    }
    if decoded.contains(&0) {
        return Err("it holds a zero byte".into());
    }
    String::from_utf8(decoded).map_err(|_| "it is not UTF-8".into())
}

/// As [`decode`] reads it: everything but letters, digits and the characters in `plain` as `%2F` and the like.
pub(super) fn encode(text: &str, plain: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let letter = char::from(byte);
        if letter.is_ascii_alphanumeric() || plain.contains(letter) {
            encoded.push(letter);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().into_iter().collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_part_of_an_address_may_be_left_out() {
        assert_eq!(parsed("postgres://"), []);
        assert_eq!(parsed("postgresql:///db"), pairs(&[("dbname", "db")]));
        assert_eq!(parsed("postgres://u@"), pairs(&[("user", "u")]));
        let whole = "postgres://u%40x@db.example:5433/a%2Fb?sslmode=require&connect_timeout=3";
        let expected = [
            ("connect_timeout", "3"),
            ("dbname", "a/b"),
            ("host", "db.example"),
            ("port", "5433"),
            ("sslmode", "require"),
            ("user", "u@x"),
        ];
        assert_eq!(parsed(whole), pairs(&expected));
    }

    #[test]
    fn hosts_may_be_several_or_a_directory_or_of_ipv6() {
        assert_eq!(parsed("postgres://a:1,b,c:3/"), pairs(&[("host", "a,b,c"), ("port", "1,,3")]));
        assert_eq!(parsed("postgres://[::1]:5/"), pairs(&[("host", "::1"), ("port", "5")]));
        assert_eq!(parsed("postgres://%2Frun%2Fpg/"), pairs(&[("host", "/run/pg")]));
        assert_eq!(parsed("postgres:///d?host=/run/pg"), pairs(&[("dbname", "d"), ("host", "/run/pg")]));
    }

    #[test]
    fn a_password_is_refused_and_never_repeated() {
        for text in ["postgres://u:geheim@h/d", "postgres://u:@h/d", "postgres:///d?password=geheim"] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains("password") && !refused.contains("geheim"), "{refused}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in [
            "mysql://h",
            "postgres://h/%2",
            "postgres://h/%zz",
            "postgres://[::1/",
            "postgres://h?x",
            "postgres://h/%00",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
