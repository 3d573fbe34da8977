//! Where a journal in PostgreSQL lies: a connection URI, completed by a service file and the PG* variables as libpq does it.
//!
//! The driver reads some of that by itself, ignores the rest without a word, and turns mistakes into defaults. So everything is
//! resolved here, and what is not supported is refused by name. Only password files are left to the driver.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use super::params::{Env, Params};
use super::service;
use super::url::{PASSWORD, encode, parse};
use crate::journal::JournalError;

/// How long a connection may take, where nothing else is said.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a parameter is called in the environment.
const VARIABLES: [(&str, &str); 14] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("dbname", "PGDATABASE"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("application_name", "PGAPPNAME"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("channel_binding", "PGCHANNELBINDING"),
];

/// Parameters that change nothing for keybatch, with the values that may be given; none means any.
const WITHOUT_EFFECT: [(&str, &[&str]); 9] = [
    ("channel_binding", &["prefer", "disable"]),
    ("gssencmode", &["prefer", "disable"]),
    ("sslnegotiation", &["postgres"]),
    ("client_encoding", &["UTF8", "utf8", "UTF-8", "utf-8", "auto"]),
    ("keepalives", &[]),
    ("keepalives_idle", &[]),
    ("keepalives_interval", &[]),
    ("keepalives_count", &[]),
    ("tcp_user_timeout", &[]),
];

/// Where a journal in PostgreSQL lies, and how to get there. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    hosts: Vec<Host>,
    user: String,
    database: String,
    password: Option<String>,
    sslmode: Option<&'static str>,
    /// sslrootcert, sslcert, sslkey.
    files: Vec<(&'static str, String)>,
    application: String,
    connect_timeout: Duration,
    patience: Duration,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    /// A name, an IP address, or the directory of a socket.
    name: String,
    port: u16,
}

impl Address {
    /// Reads an address; what it leaves open is taken from its service, then from `env`, then libpq's defaults.
    ///
    /// # Errors
    /// [`JournalError::Address`] if it cannot be read, asks for something that is not supported, or holds a password.
    pub fn parse(text: &str, env: Env<'_>) -> Result<Self, JournalError> {
        let refuse = |reason: String| {
            let hint = if reason == PASSWORD {
                Some(
                    "give the password in PGPASSWORD, in a PGPASSFILE that only you can read, or in a service file"
                        .into(),
                )
            } else {
                None
            };
            JournalError::Address { reason, hint }
        };
        let mut params = parse(text).map_err(refuse)?;
        let named = params.remove("service").or_else(|| env("PGSERVICE").filter(|name| !name.is_empty()));
        if let Some(name) = named {
            for (key, value) in service::parameters(&name, env).map_err(refuse)? {
                params.entry(key).or_insert(value);
            }
        }
        for (key, variable) in VARIABLES {
            if let Some(value) = env(variable).filter(|value| !value.is_empty()) {
                params.entry(key.to_owned()).or_insert(value);
            }
        }
        Self::resolve(params, env).map_err(refuse)
    }

    fn resolve(mut params: Params, env: Env<'_>) -> Result<Self, String> {
        let user = params.remove("user").or_else(|| env("USER").filter(|user| !user.is_empty()));
        let user = user.ok_or("it names no user; name one as in postgres://USER@HOST/DATABASE, or in PGUSER")?;
        let database = params.remove("dbname").unwrap_or_else(|| user.clone());
        let names = params.remove("host");
        // libpq connects to the address and verifies the name; the driver knows one of them only.
        let names = params.remove("hostaddr").or(names).unwrap_or_else(default_host);
        let hosts = hosts(&names, &params.remove("port").unwrap_or_default())?;
        let sslmode = params.remove("sslmode").map(|word| sslmode(&word)).transpose()?;
        let files = ["sslrootcert", "sslcert", "sslkey"];
        let files: Vec<_> = files.into_iter().filter_map(|key| Some((key, params.remove(key)?))).collect();
        let given = params.remove("connect_timeout");
        let connect_timeout = given.map(|text| connect_timeout(&text)).transpose()?.unwrap_or(CONNECT_TIMEOUT);
        match params.remove("target_session_attrs").as_deref() {
            None | Some("any" | "read-write" | "primary") => {}
            Some(other) => {
                return Err(format!(
                    "target_session_attrs={other} is not supported: sessions need the primary; give reviewers the address of a standby"
                ));
            }
        }
        let application = params.remove("application_name");
        let application = application.or_else(|| params.remove("fallback_application_name"));
        let password = params.remove("password");
        if let Some((key, value)) = params.into_iter().find(|(key, value)| !is_without_effect(key, value)) {
            return Err(match &*key {
                "passfile" => "passfile is not supported; name the file in PGPASSFILE".into(),
                "options" => "options is not supported: poolers refuse it; use ALTER ROLE … SET for settings".into(),
                "channel_binding" | "gssencmode" | "sslnegotiation" | "client_encoding" => {
                    format!("{key}={value} is not supported")
                }
                _ => format!("the parameter {key} is not supported"),
            });
        }
        let application = application.unwrap_or_else(|| "keybatch".into());
        let patience = Duration::ZERO;
        Ok(Self { hosts, user, database, password, sslmode, files, application, connect_timeout, patience })
    }

    /// The name of the database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// How long a connection to one server may take.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The same for a session that waits so long for a server that is lost.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// How long a server that was lost is waited for. Zero, unless a session set it.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// What the driver takes for each of the servers, in order, with the server's name.
    pub(super) fn servers(&self) -> Result<Vec<(String, PgConnectOptions)>, sqlx::Error> {
        self.hosts.iter().map(|host| Ok((host.to_string(), self.options(host)?))).collect()
    }

    /// What is wrong with the first of its files that cannot be read.
    pub(super) fn unreadable(&self) -> Option<String> {
        let files = self.files.iter().filter(|(_, path)| path != "system");
        let mut wrong = files.filter_map(|(key, path)| Some((key, path, std::fs::File::open(path).err()?)));
        wrong.next().map(|(key, path, error)| format!("{key}, {path}, cannot be read: {error}"))
    }

    /// As a URI, because only then does the driver look into password files for what is asked for.
    fn options(&self, host: &Host) -> Result<PgConnectOptions, sqlx::Error> {
        let port = host.port.to_string();
        let mode = host.sslmode(self.sslmode, self.files.iter().any(|(key, _)| *key == "sslrootcert"));
        let mut pairs = vec![
            ("host", host.name.as_str()),
            ("port", &port),
            ("user", &self.user),
            ("dbname", &self.database),
            ("sslmode", mode),
            ("application_name", &self.application),
        ];
        pairs.extend(self.password.as_deref().map(|password| ("password", password)));
        // What libpq calls the system's authorities are the driver's own, which it always knows.
        let files = self.files.iter().filter(|(_, path)| path != "system");
        pairs.extend(files.map(|(key, path)| (*key, path.as_str())));
        let pairs: Vec<_> = pairs.into_iter().map(|(key, value)| format!("{key}={}", encode(value, ""))).collect();
        let options = PgConnectOptions::from_str(&format!("postgres://localhost?{}", pairs.join("&")))?;
        // Statements hold what is recorded, which does not belong into logs; and poolers refuse this parameter.
        Ok(options.disable_statement_logging().extra_float_digits(None))
    }
}

impl Host {
    fn is_socket(&self) -> bool {
        self.name.starts_with('/')
    }

    fn is_on_this_machine(&self) -> bool {
        self.name == "localhost" || self.name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// How the connection is secured. Nobody listens between two processes of one machine.
    fn sslmode(&self, given: Option<&'static str>, has_root: bool) -> &'static str {
        match given {
            _ if self.is_socket() => "disable",
            // As libpq does it.
            Some("require") if has_root => "verify-ca",
            Some(mode) => mode,
            None if self.is_on_this_machine() => "prefer",
            None => "verify-full",
        }
    }
}

fn default_host() -> String {
    let mut directories = ["/var/run/postgresql", "/tmp"].into_iter();
    let socket = directories.find(|directory| std::path::Path::new(directory).join(".s.PGSQL.5432").exists());
    socket.unwrap_or("localhost").to_owned()
}

/// As many ports as hosts, or one for all.
fn hosts(names: &str, ports: &str) -> Result<Vec<Host>, String> {
    let names: Vec<_> = names.split(',').collect();
    let ports = ports.split(',').map(|text| if text.is_empty() { Ok(5432) } else { text.parse() });
    let ports = ports.collect::<Result<Vec<u16>, _>>().map_err(|_| "a port is not a number up to 65535")?;
    if ports.len() != 1 && ports.len() != names.len() {
        return Err(format!("it names {} hosts and {} ports", names.len(), ports.len()));
    }
    let pairs = names.into_iter().zip(ports.into_iter().cycle());
    let pairs =
        pairs.map(|(name, port)| Host { name: if name.is_empty() { default_host() } else { name.into() }, port });
    Ok(pairs.collect())
}

fn sslmode(word: &str) -> Result<&'static str, String> {
    let known = ["disable", "prefer", "require", "verify-ca", "verify-full"];
    known.into_iter().find(|known| *known == word).ok_or_else(|| {
        format!("sslmode={word} is not supported; it is one of {}, by default verify-full", known.join(", "))
    })
}

fn connect_timeout(text: &str) -> Result<Duration, String> {
    let seconds: i64 = text.trim().parse().map_err(|_| "connect_timeout is not a number of seconds")?;
    // For libpq, 0 means to wait for ever, which no session does.
    Ok(u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map_or(CONNECT_TIMEOUT, Duration::from_secs))
}

fn is_without_effect(key: &str, value: &str) -> bool {
    WITHOUT_EFFECT.iter().any(|(known, values)| *known == key && (values.is_empty() || values.contains(&value)))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port } = self;
        match name.contains(':') {
            true => write!(f, "[{name}]:{port}"),
            false => write!(f, "{}:{port}", encode(name, "-._~/")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, database) = (encode(&self.user, "-._~"), encode(&self.database, "-._~"));
        if let [host] = &self.hosts[..]
            && host.is_socket()
        {
            return write!(f, "postgres://{user}@/{database}?host={}&port={}", encode(&host.name, "-._~/"), host.port);
        }
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        write!(f, "postgres://{user}@{}/{database}", hosts.join(","))
    }
}

/// Without the password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests;
