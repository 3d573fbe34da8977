//! Whom the HTTP client trusts: AWS_CA_BUNDLE, the profile's `ca_bundle`, SSL_CERT_FILE. A process in front of the stand-in terminates
//! TLS, with a certificate that openssl makes for the test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::shell;
use crate::support::{Bench, invariants};

/// Carries bytes between TLS connections and a plain port; ends with its standard input.
const CARRIER: &str = r#"
import socket, ssl, sys, threading, os
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
def end():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=end, daemon=True).start()
def carry(source, sink):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for side in (source, sink):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
def serve(raw):
    try:
        front = context.wrap_socket(raw, server_side=True)
    except (ssl.SSLError, OSError):
        return
    back = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    threading.Thread(target=carry, args=(front, back), daemon=True).start()
    carry(back, front)
while True:
    raw, _ = listener.accept()
    threading.Thread(target=serve, args=(raw,), daemon=True).start()
"#;

/// The process that speaks TLS, and its port.
struct Front {
    child: Child,
    port: String,
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A bench whose stand-in is reached by TLS, and the file of the certificate to trust.
fn bench(config: &str) -> (Bench, Front, PathBuf) {
    shell::needs("openssl");
    shell::needs("python3");
    let mut bench = Bench::new();
    std::fs::create_dir(bench.home().join(".aws")).unwrap();
    let certificate = issue(bench.home());
    let plain = bench.world.url();
    let plain = plain.rsplit_once(':').unwrap().1;
    let mut child = Command::new("python3")
        .args(["-c", CARRIER])
        .args(["leaf.pem", "leaf.key", plain])
        .current_dir(bench.home())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let front = Front { child, port: port.trim().to_owned() };
    bench.set("AWS_ENDPOINT_URL", &format!("https://127.0.0.1:{}", front.port));
    bench.file(".aws/config", config.replace("FILE", &certificate.display().to_string()));
    (bench, front, certificate)
}

/// Makes an issuer and a certificate of 127.0.0.1 by it, valid for two days; returns the issuer's file.
fn issue(home: &Path) -> PathBuf {
    let openssl = |line: &str| {
        let made = Command::new("openssl").args(line.split(' ')).current_dir(home).output().unwrap();
        assert!(made.status.success(), "{line}: {}", String::from_utf8_lossy(&made.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    std::fs::write(home.join("leaf.ext"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    openssl(&format!("req -x509 {key} -days 2 -subj /CN=issuer -keyout ca.key -out ca.pem"));
    openssl(&format!("req -new {key} -subj /CN=leaf -keyout leaf.key -out leaf.csr"));
    openssl("x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 2 -days 2 -extfile leaf.ext -out leaf.pem");
    home.join("ca.pem")
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Each of the three settings lets a run through; AWS_CA_BUNDLE counts before the profile.
fn each_setting_for_certificates_is_honoured() {
    for setting in ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "ca_bundle"] {
        let config = if setting == "ca_bundle" { "[default]\nca_bundle = FILE\n" } else { "" };
        let (mut bench, _front, certificate) = bench(config);
        if config.is_empty() {
            bench.set(setting, &shown(&certificate));
        }
        let names = bench.world.keys("key", 2);
        bench.run(&bench.manifest(&names), &["--attempt-timeout", "5s"]).exits(0);
        invariants(&bench);
        let doctor = bench.keybatch(&["doctor", "--online", "--output", "json"]).json().to_string();
        assert!(doctor.contains(setting) && doctor.contains(&shown(&certificate)), "{doctor}");
    }
}

/// A bundle with comments, a key and something that is no certificate is used as far as it can be.
fn a_bundle_is_used_as_far_as_it_can_be() {
    let (mut bench, _front, certificate) = bench("");
    let good = std::fs::read_to_string(&certificate).unwrap();
    let other = "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    let bundle = bench.file("bundle.pem", format!("# the company's own\n{other}{good}\n"));
    bench.set("AWS_CA_BUNDLE", &shown(&bundle));
    let names = bench.world.keys("key", 1);
    bench.run(&bench.manifest(&names), &["--attempt-timeout", "5s"]).exits(0);
}

/// A certificate of nobody's is said as such, with the host and the settings, not as missing credentials.
fn an_unknown_issuer_is_called_that() {
    let (bench, front, _) = bench("");
    let done = bench.run(&bench.manifest(&["key-01"]), &["--attempt-timeout", "5s"]).exits(9);
    let host = format!("127.0.0.1:{}", front.port);
    for part in
        ["issued by nobody that is trusted", &host, "AWS_CA_BUNDLE", "ca_bundle", "SSL_CERT_FILE", "nothing was sent"]
    {
        assert!(done.stderr.contains(part), "{part}\n{done}");
    }
    assert!(!done.stderr.contains("credentials") && !done.stderr.contains("clock"), "{done}");
    assert!(bench.world.state().log.is_empty());
}

crate::harness::tests![
    each_setting_for_certificates_is_honoured,
    a_bundle_is_used_as_far_as_it_can_be,
    an_unknown_issuer_is_called_that
];
