use super::super::tests as samples;
use super::*;
use samples::{NAMESPACE, TEXT};

const VERIFIED_HERE: [samples::Sample; 7] = [
    samples::ED25519,
    samples::ECDSA_256,
    samples::ECDSA_384,
    samples::ECDSA_521,
    samples::RSA,
    samples::HARDWARE_ED25519,
    samples::HARDWARE_ECDSA,
];

#[test]
fn a_signature_holds_for_its_text_and_its_namespace_alone() {
    for sample in VERIFIED_HERE {
        let (signature, kind) = (sample.signature(), sample.key().kind().to_owned());
        assert!(signature.key().is_same_key(&sample.key()), "{kind}");
        assert_eq!(signature.key().fingerprint(), sample.fingerprint);
        assert_eq!(signature.verify(NAMESPACE, TEXT), Verification::Verified, "{kind}");
        let bad = |text: &[u8]| signature.verify(NAMESPACE, text) == Verification::Bad(Bad::Text);
        assert!(bad(b"keybatch") && bad(b"keybatch\r\n") && bad(b""), "{kind}");
        let other = Bad::Namespace { expected: "maker@keybatch".into(), found: NAMESPACE.into() };
        assert_eq!(signature.verify("maker@keybatch", TEXT), Verification::Bad(other), "{kind}");
    }
}

/// Whatever is changed in it: it is no signature, or one that does not hold, or one by another key.
#[test]
fn no_changed_byte_leaves_a_signature_that_holds() {
    for sample in [samples::ED25519, samples::ECDSA_256, samples::HARDWARE_ED25519] {
        let whole = sample.signature();
        for at in 0..whole.bytes.len() {
            for change in [0x01, 0x80] {
                let mut bytes = whole.bytes.clone();
                bytes[at] ^= change;
                let Ok(changed) = Signature::from_bytes(bytes) else { continue };
                let verification = changed.verify(NAMESPACE, TEXT);
                assert_ne!(verification, Verification::Verified, "{} at {at}", sample.key);
            }
        }
        for length in 0..whole.bytes.len() {
            assert!(Signature::from_bytes(whole.bytes[..length].to_vec()).is_err(), "{length}");
        }
        let longer = [whole.bytes.as_slice(), &[0]].concat();
        assert_eq!(Signature::from_bytes(longer), Err(SignatureError::Form));
    }
}

#[test]
fn what_only_the_program_can_verify_is_said_to_be_so() {
    let certificate = samples::CERTIFICATE.signature();
    assert_eq!(certificate.verify(NAMESPACE, TEXT), Verification::NeedsProgram(NeedsProgram::Certificate));
    assert_eq!(certificate.key().fingerprint(), samples::CERTIFICATE.fingerprint);
    assert_eq!(samples::CERTIFICATE.fingerprint, samples::ED25519.fingerprint);
    assert!(certificate.key().is_same_key(&samples::ED25519.key()) && !certificate.key().is(&samples::ED25519.key()));
    assert_eq!(certificate.key().principals(), ["alice", "bob"]);
    assert!(certificate.key().is_certified_by(&PublicKey::from_file(samples::AUTHORITY).unwrap()));
    assert!(!certificate.key().is_certified_by(&samples::ED25519.key()));
    let small = samples::RSA_1024.signature();
    assert_eq!(small.verify(NAMESPACE, TEXT), Verification::NeedsProgram(NeedsProgram::RsaBits(1_024)));
    assert_eq!(samples::RSA.key().rsa_bits(), Some(2_048));
    // The namespace is compared before the program is asked.
    assert!(matches!(certificate.verify("other", TEXT), Verification::Bad(Bad::Namespace { .. })));
}

#[test]
fn armour_is_read_in_whatever_shape_it_comes() {
    let whole = samples::CERTIFICATE.signature();
    let armour = whole.to_armour();
    assert!(armour.lines().all(|line| line.len() <= WIDTH) && armour.ends_with("-----\n"), "{armour}");
    let lines: Vec<&str> = armour.lines().collect();
    let narrow: String = lines[1..lines.len() - 1].concat().chars().map(|c| format!("{c}\n")).collect();
    for text in [
        armour.clone(),
        armour.replace('\n', "\r\n"),
        armour.trim_end().to_owned(),
        format!("Dear reviewer,\n\n{armour}\n-- \nAlice\n"),
        format!("\u{feff}{armour}"),
        format!("{}\n{narrow}{}", ARMOUR.0, ARMOUR.1),
        armour.replace('\n', "\n  "),
    ] {
        let read = Signature::parse(&text);
        assert_eq!(read.as_ref(), Ok(&whole), "{text}");
        assert_eq!(read.unwrap().to_armour(), armour);
    }
}

#[test]
fn what_is_no_signature_says_why() {
    let armoured = |bytes: &[u8]| format!("{}\n{}\n{}\n", ARMOUR.0, STANDARD.encode(bytes), ARMOUR.1);
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let key = STANDARD.decode(samples::ED25519.key.split(' ').nth(1).unwrap()).unwrap();
    let made = |version: u32, key: &[u8], namespace: &str, reserved: &str, hash: &str| {
        let mut bytes = b"SSHSIG".to_vec();
        bytes.extend(version.to_be_bytes());
        for field in [key, namespace.as_bytes(), reserved.as_bytes(), hash.as_bytes()] {
            bytes.extend(string(field));
        }
        bytes.extend(string(&[string(b"ssh-ed25519"), string(&[7; 64])].concat()));
        armoured(&bytes)
    };
    assert!(Signature::parse(&made(1, &key, "a", "", "sha512")).is_ok());
    for (text, expected) in [
        (String::new(), SignatureError::NoBegin),
        (ARMOUR.0.to_owned(), SignatureError::NoEnd),
        (format!("{}{}{}", ARMOUR.0, "A".repeat(MAX_ARMOUR_BYTES + 1), ARMOUR.1), SignatureError::TooLong),
        (format!("{}\n!\n{}", ARMOUR.0, ARMOUR.1), SignatureError::NotBase64),
        (armoured(b"SSHSIX"), SignatureError::Form),
        (made(2, &key, "a", "", "sha512"), SignatureError::Version(2)),
        (made(1, &key[..40], "a", "", "sha512"), SignatureError::Key),
        (made(1, &[&key[..], b"x"].concat(), "a", "", "sha512"), SignatureError::Key),
        (made(1, &key, "", "", "sha512"), SignatureError::NoNamespace),
        (made(1, &key, "a", "x", "sha512"), SignatureError::Reserved),
        (made(1, &key, "a", "", "sha1"), SignatureError::Hash("sha1".into())),
    ] {
        assert_eq!(Signature::parse(&text), Err(expected), "{text}");
    }
}

/// Else one key, in two spellings, would pass for two.
#[test]
fn a_key_has_one_spelling() {
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let rsa = |exponent: &[u8], modulus: &[u8]| {
        PublicKey::from_wire(&[string(b"ssh-rsa"), string(exponent), string(modulus)].concat())
    };
    assert!(rsa(&[1, 0, 1], &[0, 0x80, 1]).is_some());
    for (exponent, modulus) in [
        (&[0, 1, 0, 1][..], &[0, 0x80, 1][..]),
        (&[1, 0, 1], &[0, 0, 0x80, 1]),
        (&[1, 0, 1], &[0x80, 1]),
        (&[1, 0, 1], &[]),
        (&[1, 0, 1], &[0]),
    ] {
        assert_eq!(rsa(exponent, modulus), None, "{exponent:?} {modulus:?}");
    }
    let curve = |point: &[u8]| {
        let kind = b"ecdsa-sha2-nistp256";
        PublicKey::from_wire(&[string(kind), string(b"nistp256"), string(point)].concat())
    };
    assert!(curve(&[4; 65]).is_some() && curve(&[2; 33]).is_none());
}

proptest::proptest! {
    /// Whatever somebody sends, it is read without a panic, and what is a signature is written as it was read.
    #[test]
    fn any_text_is_read(before in "\\PC{0,40}", bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let whole = [&b"SSHSIG\0\0\0\x01"[..], &bytes].concat();
        for bytes in [bytes, whole] {
            let text = format!("{before}{}\n{}\n{}", ARMOUR.0, STANDARD.encode(&bytes), ARMOUR.1);
            if let Ok(signature) = Signature::parse(&text) {
                proptest::prop_assert_eq!(Signature::parse(&signature.to_armour()), Ok(signature));
            }
            let _any = PublicKey::from_wire(&bytes);
        }
    }
}
