//! Public keys and certificates, as far as telling them apart needs it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::wire::Wire;

/// What the name of a certificate's type ends with.
const CERTIFICATE: &str = "-cert-v01@openssh.com";

/// A public key, or a certificate over one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: String,
    /// The key alone. There is one form of each key: two that differ here are different keys.
    plain: Vec<u8>,
    certificate: Option<Certificate>,
}

/// What a certificate says beside its key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Certificate {
    /// All its bytes: two certificates over one key are not the same.
    whole: Vec<u8>,
    principals: Vec<String>,
    /// The key that signed it.
    authority: Vec<u8>,
}

impl PublicKey {
    /// Reads the wire form of a key or a certificate. Of a kind that is not known here, only the kind's name is read.
    #[must_use]
    pub fn from_wire(bytes: &[u8]) -> Option<Self> {
        let mut wire = Wire::new(bytes);
        let kind = wire.text()?;
        if let Some(of) = kind.strip_suffix(CERTIFICATE) {
            return Self::certificate(bytes, kind, of);
        }
        if fields(kind).is_some() {
            take_fields(&mut wire, kind)?;
            wire.is_over().then_some(())?;
        }
        Some(Self { kind: kind.to_owned(), plain: bytes.to_owned(), certificate: None })
    }

    fn certificate(bytes: &[u8], kind: &str, of: &str) -> Option<Self> {
        // The certificate of a hardware key has the same suffix as the key.
        let of = if of.starts_with("sk-") { format!("{of}@openssh.com") } else { of.to_owned() };
        let mut wire = Wire::new(bytes);
        let (_kind, _nonce) = (wire.text()?, wire.bytes()?);
        let own = take_fields(&mut wire, &of)?;
        // Serial number, user or host, name of the certificate.
        wire.take(8 + 4)?;
        wire.bytes()?;
        let mut named = Wire::new(wire.bytes()?);
        let mut principals = Vec::new();
        while !named.is_over() {
            principals.push(named.text()?.to_owned());
        }
        // Valid from and until; options; extensions; reserved.
        wire.take(8 + 8)?;
        for _ in 0..3 {
            wire.bytes()?;
        }
        let authority = wire.bytes()?.to_owned();
        let _signature = wire.bytes()?;
        wire.is_over().then_some(())?;
        let mut plain = Vec::new();
        for field in std::iter::once(of.as_bytes()).chain(own) {
            plain.extend(u32::try_from(field.len()).ok()?.to_be_bytes());
            plain.extend(field);
        }
        let certificate = Certificate { whole: bytes.to_owned(), principals, authority };
        Some(Self { kind: kind.to_owned(), plain, certificate: Some(certificate) })
    }

    /// Reads the two words of a `.pub` file or of a list of signers: the kind, and the wire form in base64.
    #[must_use]
    pub fn from_words(kind: &str, encoded: &str) -> Option<Self> {
        let key = Self::from_wire(&STANDARD.decode(encoded).ok()?)?;
        (key.kind == kind).then_some(key)
    }

    /// Reads the first key of a `.pub` file.
    #[must_use]
    pub fn from_file(text: &str) -> Option<Self> {
        text.lines().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            Self::from_words(words.next()?, words.next()?)
        })
    }

    /// The name of its kind, e.g. `ssh-ed25519`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// `SHA256:` and the hash of the key in base64, as `ssh-keygen -l` prints it; of a certificate that of its key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.plain)))
    }

    /// Whether both are the same key, in whatever certificates.
    #[must_use]
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.plain == other.plain
    }

    /// Whether it is a certificate.
    #[must_use]
    pub fn is_certificate(&self) -> bool {
        self.certificate.is_some()
    }

    /// Whether it is a certificate that this key has signed. (Whether that signature holds, only a program can say.)
    #[must_use]
    pub fn is_certified_by(&self, authority: &Self) -> bool {
        self.certificate.as_ref().is_some_and(|certificate| certificate.authority == authority.plain)
    }

    /// The principals that the certificate names; none for a key.
    #[must_use]
    pub fn principals(&self) -> &[String] {
        self.certificate.as_ref().map_or(&[], |certificate| &certificate.principals)
    }

    /// The length of an RSA key in bits; none for any other key.
    #[must_use]
    pub(super) fn rsa_bits(&self) -> Option<usize> {
        let mut wire = Wire::new(&self.plain);
        (wire.text()? == "ssh-rsa").then_some(())?;
        let (_exponent, modulus) = (wire.bytes()?, wire.bytes()?);
        let first = modulus.iter().position(|byte| *byte != 0)?;
        Some((modulus.len() - first) * 8 - modulus[first].leading_zeros() as usize)
    }
}

/// How many strings the key of a kind has behind its kind's name; none where that is not known here.
fn fields(kind: &str) -> Option<usize> {
    match kind {
        "ssh-ed25519" => Some(1),
        "ssh-rsa" | "sk-ssh-ed25519@openssh.com" => Some(2),
        "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => Some(2),
        "sk-ecdsa-sha2-nistp256@openssh.com" => Some(3),
        _ => None,
    }
}

/// Takes the strings of a key, unless they are another spelling of one.
fn take_fields<'a>(wire: &mut Wire<'a>, kind: &str) -> Option<Vec<&'a [u8]>> {
    let taken: Vec<&[u8]> = (0..fields(kind)?).map(|_| wire.bytes()).collect::<Option<_>>()?;
    let one_spelling = match kind {
        "ssh-rsa" => taken.iter().all(|number| is_shortest(number)),
        _ if kind.contains("ecdsa") => taken.get(1).is_some_and(|point| point.first() == Some(&4)),
        _ => true,
    };
    one_spelling.then_some(taken)
}

/// Whether a positive number has no zero before it that it does not need.
fn is_shortest(number: &[u8]) -> bool {
    match number {
        [0, next, ..] => *next >= 0x80,
        [first, ..] => (1..0x80).contains(first),
        [] => false,
    }
}

impl Certificate {
    /// Whether both have the same bytes.
    fn is(&self, other: &Self) -> bool {
        self.whole == other.whole
    }
}

impl PublicKey {
    /// Whether both are the same key or the same certificate.
    #[must_use]
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.certificate, &other.certificate) {
            (None, None) => self.plain == other.plain,
            (Some(one), Some(other)) => one.is(other),
            _ => false,
        }
    }
}
