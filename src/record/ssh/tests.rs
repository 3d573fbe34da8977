//! Keys and signatures over `keybatch` and a line feed for `plan@keybatch`, made by ssh-keygen 9.2 (those of hardware keys by
//! openssl, and accepted by ssh-keygen). Their private keys are gone.

use super::{PublicKey, Signature};

/// What all of them are over.
pub(in crate::record) const TEXT: &[u8] = b"keybatch\n";

/// What all of them are for.
pub(in crate::record) const NAMESPACE: &str = "plan@keybatch";

/// A key, its fingerprint as `ssh-keygen -l` prints it, and a signature.
pub(in crate::record) struct Sample {
    pub(in crate::record) key: &'static str,
    pub(in crate::record) fingerprint: &'static str,
    /// In base64, on one line.
    armour: &'static str,
}

impl Sample {
    pub(in crate::record) fn key(&self) -> PublicKey {
        PublicKey::from_file(self.key).unwrap()
    }

    /// As people send it.
    pub(in crate::record) fn text(&self) -> String {
        format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", self.armour)
    }

    pub(in crate::record) fn signature(&self) -> Signature {
        Signature::parse(&self.text()).unwrap()
    }
}

/// The authority behind [`CERTIFICATE`].
pub(in crate::record) const AUTHORITY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFc7/ORdVCRMRvk8LM9BkIvhzKz1ylIc/T9thVs5sAmU";

pub(in crate::record) const ED25519: Sample = Sample {
    key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBclYVfz2rcPX/qsaI1RxjU9Fzw+mk0CfkEtz1IMnyHT",
    fingerprint: "SHA256:HIzGsk3I/NQfyoFcFOrk4sMXoXTLhtAUnwOarPAbtSw",
    armour: "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgFyVhV/Patw9f+qxojVHGNT0XPD6aTQJ+QS3PUgyfIdMAAAANcGxhbkBrZXliYXRjaAAAAAAAAAAGc2hhNTEyAAAAUwAAAAtzc2gtZWQyNTUxOQAAAECs6Gv/mInZD6Vh7NAh1ifAdZEe5qJE0BHSXpombzY/yZ9peX7w5WoBXy8+1Yw9ybfjr4BE1L5LWWVeOm3ybvwA",
};

pub(in crate::record) const ECDSA_256: Sample = Sample {
    key: "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFb17ZaT/+9c/rO7K9QVEAJIJuIJ32GFBJ9b8390FLMwTxNBDN6fZQRCCm4nHwig7KJHMt4c9iwnMOOhY1a7XQg=",
    fingerprint: "SHA256:H6IcKFVSWiJwQ3jOPtfgya+l4YMNhhkvt8QLmlGSb6c",
    armour: "U1NIU0lHAAAAAQAAAGgAAAATZWNkc2Etc2hhMi1uaXN0cDI1NgAAAAhuaXN0cDI1NgAAAEEEVvXtlpP/71z+s7sr1BUQAkgm4gnfYYUEn1vzf3QUszBPE0EM3p9lBEIKbicfCKDsokcy3hz2LCcw46FjVrtdCAAAAA1wbGFuQGtleWJhdGNoAAAAAAAAAAZzaGE1MTIAAABkAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAABJAAAAIEEz9MFCRhnxtkWgW+hgmoHY45XFsUi5V7hRi3rQLqI9AAAAIQDDIQy8E8svEWH82aTPNsFm6oXvzKqFVu80XYk+53XV7Q==",
};

pub(in crate::record) const ECDSA_384: Sample = Sample {
    key: "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBNYih7vzI3lDceadUbOdK8IcYQqT+3i5CqrMKvY1VxdRjVXK6UibmsvKFVUvPZoT5P0floK+QgAJaSCJLiFtyhTsGJlzEqzXmIpcRLhglwBoXj6fxqazK4Y0PlkGjWFq7Q==",
    fingerprint: "SHA256:r8UmMUkvLNObC5ITHIsTJAOXS45C++mEKE3mnjCs0sc",
    armour: "U1NIU0lHAAAAAQAAAIgAAAATZWNkc2Etc2hhMi1uaXN0cDM4NAAAAAhuaXN0cDM4NAAAAGEE1iKHu/MjeUNx5p1Rs50rwhxhCpP7eLkKqswq9jVXF1GNVcrpSJuay8oVVS89mhPk/R+Wgr5CAAlpIIkuIW3KFOwYmXMSrNeYilxEuGCXAGhePp/GprMrhjQ+WQaNYWrtAAAADXBsYW5Aa2V5YmF0Y2gAAAAAAAAABnNoYTUxMgAAAIMAAAATZWNkc2Etc2hhMi1uaXN0cDM4NAAAAGgAAAAwHzIm6Dw5yW47BHpA9e74KSOEw37eqXC6/snDTCMbdnvWpxx+DaW35H8mr784cJFEAAAAMA3s8sINsPObQ0j6+m+pFrDNBL0Q1UQwhOiEXR16+WHTSDtC3+/F+KyaLFyNGDzC3Q==",
};

pub(in crate::record) const ECDSA_521: Sample = Sample {
    key: "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAGOgCiLvUxyzStfTko2tO1tDQUSkHjfVWjCM1eqrwDZC633z3jy01RrNYYDX3JzZNWWcfZb2iA/F8WCrFVIdsoVKgHfh5HVMKlrGNM7wGupbcTocpIivnCEAeC3O2bB96a5s2m6yFJRjdWZEeD2eKGm2Yd0BzqCoNyQvEQioP4I+UPnTg==",
    fingerprint: "SHA256:rUc35ybPU1NBixwHUzkOAfbocN0fZT/s9JdJ+s3ZZG8",
    armour: "U1NIU0lHAAAAAQAAAKwAAAATZWNkc2Etc2hhMi1uaXN0cDUyMQAAAAhuaXN0cDUyMQAAAIUEAY6AKIu9THLNK19OSja07W0NBRKQeN9VaMIzV6qvANkLrffPePLTVGs1hgNfcnNk1ZZx9lvaID8XxYKsVUh2yhUqAd+HkdUwqWsY0zvAa6ltxOhykiK+cIQB4Lc7ZsH3prmzabrIUlGN1ZkR4PZ4oabZh3QHOoKg3JC8RCKg/gj5Q+dOAAAADXBsYW5Aa2V5YmF0Y2gAAAAAAAAABnNoYTUxMgAAAKcAAAATZWNkc2Etc2hhMi1uaXN0cDUyMQAAAIwAAABCAZVq9PB0q+QfFQ7NIrab21StYs+X1CKBhwxkg91IXD3PhCHGiU4vjwuJO2FY1P8ZjTECB3K5UXD7gUo8OKBTiby+AAAAQgGtVC4Zxw78MmHAoY1ThvfpDl1DX8EjBnhHVNlcxJ/Ee71McDSEuB+qa1ehE+9nc8ds9BVVNvFlmE0M0lD20WA4zA==",
};

pub(in crate::record) const RSA: Sample = Sample {
    key: "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCjLjMjq73injFdB9Kj7n7VzIxXz/yrSVNBLh3TQ0vuH5XhTkjOyGksHzYw25S0wwgH610Da7imLiZwwhD6DWOEvbohwZLF21WSFQj5vYDlCeF450oJ1/xpCHpi4NS5u1Je/KEGKhS0DufZZD+HunfsWvYGvpTTLSNcbjRQillWdh6l5lECFQYBhkL2x7TvEr4f1OKnaaaL88BYv0Udxpi8hT8yWTqFjZLw1ag7Nvyv0qWXNifG2w/s+QYPRKcFJ0bRU/l6/APwts9qRmVF20y1LC7WmkKVg1LykEvGwJbobLVVvDuTyrUpiNu3BBzWhsfsUJsjxstFKFQfF4A1nQSV",
    fingerprint: "SHA256:1CeArusKlmQrzhTNPl40wQBzBCyPoen+UckOOc2Rd7M",
    armour: "U1NIU0lHAAAAAQAAARcAAAAHc3NoLXJzYQAAAAMBAAEAAAEBAKMuMyOrveKeMV0H0qPuftXMjFfP/KtJU0EuHdNDS+4fleFOSM7IaSwfNjDblLTDCAfrXQNruKYuJnDCEPoNY4S9uiHBksXbVZIVCPm9gOUJ4XjnSgnX/GkIemLg1Lm7Ul78oQYqFLQO59lkP4e6d+xa9ga+lNMtI1xuNFCKWVZ2HqXmUQIVBgGGQvbHtO8Svh/U4qdppovzwFi/RR3GmLyFPzJZOoWNkvDVqDs2/K/SpZc2J8bbD+z5Bg9EpwUnRtFT+Xr8A/C2z2pGZUXbTLUsLtaaQpWDUvKQS8bAluhstVW8O5PKtSmI27cEHNaGx+xQmyPGy0UoVB8XgDWdBJUAAAANcGxhbkBrZXliYXRjaAAAAAAAAAAGc2hhMjU2AAABFAAAAAxyc2Etc2hhMi01MTIAAAEAX8uJhsAEwkGv9H7cWVMVou64b/8wSKN++mNCsnjNR4h9BrIasksh9sTCkqfQz9VVkHSJdCQCtFZJvXrzM1cokVGzdvKA+EUWmmyMmXkPTOqP8XOdoyXdQaTeOSfguXRjyaU9LmliOJzs0Vqs9PRLsmkeZhAwPbcDqttHEI498a3QEDQjfp0LQq6eNKecb/TGHd6U3J6XuEghc82CoOJmkMjhmRpXeDVatiDuFPFL+yP2KEJZ42vSTEzWMuFYbOH7DfH+9hmT1g/Fcw+ric3Rj3nnyIkN0+nExAcuqgwF3i/im+Dq1NO+om8lwr8NnuKk85so058FAo3bfg5dTnT5Dw==",
};

pub(in crate::record) const RSA_1024: Sample = Sample {
    key: "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCt4sSVDfem7LcJYAOQRo9DgKnct0Dnmj2hAnmr1lChHrlHjFQVSghGlF613+KzUym96gjjaXz5DKtke2PlWL9xcBZR6ZskGSIBma4DTb6zDugURngDVLajQMHT57vNhvuEHlbwvAIeJexvxfUXHQB2trpFXUr+FJRTV1KK0btVYQ==",
    fingerprint: "SHA256:7b1tV5JXfrZk9kYDv8spWDBoEgnQdYMh94Oixu3+iYc",
    armour: "U1NIU0lHAAAAAQAAAJcAAAAHc3NoLXJzYQAAAAMBAAEAAACBAK3ixJUN96bstwlgA5BGj0OAqdy3QOeaPaECeavWUKEeuUeMVBVKCEaUXrXf4rNTKb3qCONpfPkMq2R7Y+VYv3FwFlHpmyQZIgGZrgNNvrMO6BRGeANUtqNAwdPnu82G+4QeVvC8Ah4l7G/F9RcdAHa2ukVdSv4UlFNXUorRu1VhAAAADXBsYW5Aa2V5YmF0Y2gAAAAAAAAABnNoYTUxMgAAAJQAAAAMcnNhLXNoYTItNTEyAAAAgAjWLh43+LiGjT4InMqVVrmuv7LH9gkaW9/AmOW2OAJlysz5F1QmKOs9dctbXl2DifteRAxW9yKsU7gM7wXHjq0qmCCIszZeEpr0hfMxuHIxHN2h4l0npCOYNHtXLp53IlOWIlF54TV74QCw7lpHMDlbsYwyPfYArmignBVmNXC1",
};

pub(in crate::record) const HARDWARE_ED25519: Sample = Sample {
    key: "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIJRwMUA+sNmR2CGmjdKZ2AOIpcY9fbfszMfFWjDAoV0RAAAABHNzaDo=",
    fingerprint: "SHA256:iQPx3Chh0wYfyaL9MEbnzAN1AsKEDU1aYU0MtFTeGXY",
    armour: "U1NIU0lHAAAAAQAAAEoAAAAac2stc3NoLWVkMjU1MTlAb3BlbnNzaC5jb20AAAAglHAxQD6w2ZHYIaaN0pnYA4ilxj19t+zMx8VaMMChXREAAAAEc3NoOgAAAA1wbGFuQGtleWJhdGNoAAAAAAAAAAZzaGE1MTIAAABnAAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAQKnNdzv7yO64hR5RMFnBOaH5s/4BD2ViBIoG4MAUBKPk8xtYcdXNIQ7qnOailm8b8ryecdag5aNXaFlzcuqWgwcBAAAABw==",
};

pub(in crate::record) const HARDWARE_ECDSA: Sample = Sample {
    key: "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBMGMMwgiA1eWA0C5wasQB7vGg9StKhKDm5V7wApfplNVzoz4+5Iun8lwXQTZhYFE2oyqBoyCr14tg6a+xotKdCUAAAAEc3NoOg==",
    fingerprint: "SHA256:B7gcV3LccAJazxlHxsT+JGpnSC9Civ1Au5H3Q6ARR/c",
    armour: "U1NIU0lHAAAAAQAAAH8AAAAic2stZWNkc2Etc2hhMi1uaXN0cDI1NkBvcGVuc3NoLmNvbQAAAAhuaXN0cDI1NgAAAEEEwYwzCCIDV5YDQLnBqxAHu8aD1K0qEoOblXvACl+mU1XOjPj7ki6fyXBdBNmFgUTajKoGjIKvXi2Dpr7Gi0p0JQAAAARzc2g6AAAADXBsYW5Aa2V5YmF0Y2gAAAAAAAAABnNoYTUxMgAAAHcAAAAic2stZWNkc2Etc2hhMi1uaXN0cDI1NkBvcGVuc3NoLmNvbQAAAEgAAAAgY7jd5Ph2g4z3Vo+X1YzN189hq6XL2+Idu+9OZx+IPW8AAAAgRpRWUOwRRWiJ+z9WRzghPVgdlTlwJwX7+MsJsbCGqUoBAAAABw==",
};

/// Over the key of [`ED25519`], for alice and bob, valid in 2026.
pub(in crate::record) const CERTIFICATE: Sample = Sample {
    key: "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIMbgzvbU4ovRXmT+a4UUQRX5XP2gK++puHqHtXV35Sq3AAAAIBclYVfz2rcPX/qsaI1RxjU9Fzw+mk0CfkEtz1IMnyHTAAAAAAAAAAAAAAABAAAAA2lkMQAAABAAAAAFYWxpY2UAAAADYm9iAAAAAGlVuQAAAAAAazbsgAAAAAAAAACCAAAAFXBlcm1pdC1YMTEtZm9yd2FyZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcAAAAAAAAAFnBlcm1pdC1wb3J0LWZvcndhcmRpbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBlcm1pdC11c2VyLXJjAAAAAAAAAAAAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIFc7/ORdVCRMRvk8LM9BkIvhzKz1ylIc/T9thVs5sAmUAAAAUwAAAAtzc2gtZWQyNTUxOQAAAEDIiJJAwLwyRSoXdsK6dp+1ZBEtQ+D6jY687TTmMQAFbUW7yCtWK+7S7EmPhl6Zg1qyK4AWc05pLs2o3GNO0zoG",
    fingerprint: "SHA256:HIzGsk3I/NQfyoFcFOrk4sMXoXTLhtAUnwOarPAbtSw",
    armour: "U1NIU0lHAAAAAQAAAb8AAAAgc3NoLWVkMjU1MTktY2VydC12MDFAb3BlbnNzaC5jb20AAAAgxuDO9tTii9FeZP5rhRRBFflc/aAr76m4eoe1dXflKrcAAAAgFyVhV/Patw9f+qxojVHGNT0XPD6aTQJ+QS3PUgyfIdMAAAAAAAAAAAAAAAEAAAADaWQxAAAAEAAAAAVhbGljZQAAAANib2IAAAAAaVW5AAAAAABrNuyAAAAAAAAAAIIAAAAVcGVybWl0LVgxMS1mb3J3YXJkaW5nAAAAAAAAABdwZXJtaXQtYWdlbnQtZm9yd2FyZGluZwAAAAAAAAAWcGVybWl0LXBvcnQtZm9yd2FyZGluZwAAAAAAAAAKcGVybWl0LXB0eQAAAAAAAAAOcGVybWl0LXVzZXItcmMAAAAAAAAAAAAAADMAAAALc3NoLWVkMjU1MTkAAAAgVzv85F1UJExG+Twsz0GQi+HMrPXKUhz9P22FWzmwCZQAAABTAAAAC3NzaC1lZDI1NTE5AAAAQMiIkkDAvDJFKhd2wrp2n7VkES1D4PqNjrztNOYxAAVtRbvIK1Yr7tLsSY+GXpmDWrIrgBZzTmkuzajcY07TOgYAAAANcGxhbkBrZXliYXRjaAAAAAAAAAAGc2hhNTEyAAAAUwAAAAtzc2gtZWQyNTUxOQAAAECs6Gv/mInZD6Vh7NAh1ifAdZEe5qJE0BHSXpombzY/yZ9peX7w5WoBXy8+1Yw9ybfjr4BE1L5LWWVeOm3ybvwA",
};

/// A signature over [`TEXT`] with the key of [`ED25519`], for `maker@keybatch`.
pub(in crate::record) const MAKER: &str = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgFyVhV/Patw9f+qxojVHGNT0XPD6aTQJ+QS3PUgyfIdMAAAAObWFrZXJAa2V5YmF0Y2gAAAAAAAAABnNoYTUxMgAAAFMAAAALc3NoLWVkMjU1MTkAAABAxFoWamFYgnd1SGSD9mYu5BbPxse386cjzItBYjIqeEQIyt35MwTvoFNBm38hMLNBX+Jqrhg1Hal6PdzvBpQyBg==\n-----END SSH SIGNATURE-----\n";
