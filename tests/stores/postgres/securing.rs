//! TLS, with certificates that openssl makes for the test.

use std::path::Path;
use std::process::Command;

use keybatch::journal::postgres::{Address, Hold, migrate};
use keybatch::journal::{JournalError, ServerTrouble};
use sqlx::Row as _;

use super::holder;
use super::server::{ADMIN, Server, unprivileged};
use crate::harness::{ignore, tests};

tests![; async a_server_must_show_a_certificate_of_the_authority_that_is_named];

/// An authority, a server's certificate for 127.0.0.1 in its name, and an authority that has nothing to do with it.
fn certificates(directory: &Path) {
    let openssl = |line: &str| {
        let made = Command::new("openssl").args(line.split(' ')).current_dir(directory).output();
        let Ok(made) = made else { ignore("openssl is not installed") };
        assert!(made.status.success(), "{line}: {}", String::from_utf8_lossy(&made.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for authority in ["ca", "other"] {
        openssl(&format!("req -x509 {key} -days 2 -subj /CN={authority} -keyout {authority}.key -out {authority}.pem"));
    }
    openssl(&format!("req -new {key} -subj /CN=server -keyout server.key -out server.csr"));
    std::fs::write(directory.join("server.ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -set_serial 2 -days 2 -extfile server.ext -out server.pem",
    );
    for file in std::fs::read_dir(directory).unwrap().flatten() {
        if let Some(user) = unprivileged() {
            std::os::unix::fs::chown(file.path(), Some(user), Some(user)).unwrap();
        }
    }
    if let Some(user) = unprivileged() {
        std::os::unix::fs::chown(directory, Some(user), Some(user)).unwrap();
    }
}

async fn a_server_must_show_a_certificate_of_the_authority_that_is_named() {
    let files = tempfile::tempdir().unwrap();
    certificates(files.path());
    let file = |name: &str| files.path().join(name).display().to_string();
    let (certificate, key) =
        (format!("ssl_cert_file={}", file("server.pem")), format!("ssl_key_file={}", file("server.key")));
    let server = Server::new(&["ssl=on", &certificate, &key]);
    let database = server.database("postgres");
    migrate(&database.address()).await.unwrap();
    let take = async |host: &str, variables: &[(&str, &str)]| {
        let url = format!("postgres://{ADMIN}@{host}:{}/postgres", server.port);
        let env = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_owned());
        Hold::take(&Address::parse(&url, &env).unwrap(), &holder("run")).await
    };
    let is_refused = |taken: Result<Hold, JournalError>| match taken {
        Err(JournalError::Server { trouble: ServerTrouble::Tls { .. }, .. }) => true,
        other => panic!("{other:?}"),
    };
    let (ca, other) = (file("ca.pem"), file("other.pem"));
    let full = ("PGSSLMODE", "verify-full");
    let hold = take("127.0.0.1", &[full, ("PGSSLROOTCERT", &ca)]).await.unwrap();
    let secured = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'keybatch'";
    assert_eq!(database.sql(secured).await.unwrap()[0].get::<i64, _>(0), 1);
    hold.release().await;
    // No authority is named, another one, or one that vouches for another name.
    assert!(is_refused(take("127.0.0.1", &[full]).await));
    assert!(is_refused(take("127.0.0.1", &[full, ("PGSSLROOTCERT", &other)]).await));
    assert!(is_refused(take("localhost", &[full, ("PGSSLROOTCERT", &ca)]).await));
    assert!(is_refused(take("127.0.0.1", &[full, ("PGSSLROOTCERT", &file("none.pem"))]).await));
    take("localhost", &[("PGSSLMODE", "verify-ca"), ("PGSSLROOTCERT", &ca)]).await.unwrap().release().await;
    // As libpq has it, an authority that is named is asked for.
    assert!(is_refused(take("localhost", &[("PGSSLMODE", "require"), ("PGSSLROOTCERT", &other)]).await));
    take("localhost", &[("PGSSLMODE", "require")]).await.unwrap().release().await;
    drop(server);
    // A server without TLS is no server for whoever asks for it.
    let plain = Server::new(&[]);
    let url = format!("postgres://{ADMIN}@127.0.0.1:{}/postgres?sslmode=require", plain.port);
    assert!(is_refused(Hold::take(&Address::parse(&url, &|_| None).unwrap(), &holder("run")).await));
}
