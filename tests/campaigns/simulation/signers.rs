//! People who approve plans, with keys that are the same in every life, and the signatures that they bring.

use std::sync::LazyLock;

use fastrand::Rng;
use keybatch::record::approval::{PLAN_NAMESPACE, Presented};
use keybatch::record::ssh::Signers;
use keybatch::session::order::Approvals;
use ssh_key::private::Ed25519Keypair;
use ssh_key::{HashAlg, LineEnding, PrivateKey};

/// Who may approve; after them, a key that is not in the list.
const PEOPLE: [&str; 3] = ["anna", "ben", "carla"];
const STRANGER: usize = PEOPLE.len();

static KEYS: LazyLock<Vec<PrivateKey>> = LazyLock::new(|| {
    let key = |person: u8| PrivateKey::from(Ed25519Keypair::from_seed(&[person + 1; 32]));
    (0..=3).map(key).collect()
});

static SIGNERS: LazyLock<Signers> = LazyLock::new(|| {
    let line = |(name, key): (&&str, &PrivateKey)| {
        format!("{name} namespaces=\"{PLAN_NAMESPACE}\" {}\n", key.public_key().to_openssh().unwrap())
    };
    Signers::parse(&PEOPLE.iter().zip(KEYS.iter()).map(line).collect::<String>())
});

/// The list of those who may approve.
pub(crate) fn signers() -> Signers {
    SIGNERS.clone()
}

fn signature(person: usize, text: &str) -> Presented {
    let signature = KEYS[person].sign(PLAN_NAMESPACE, HashAlg::Sha512, text.as_bytes()).unwrap();
    let text = signature.to_pem(LineEnding::LF).unwrap();
    let named = PEOPLE.get(person).map(|name| name.parse().unwrap());
    Presented { from: format!("plan.{person}.sig"), named, text }
}

/// The approvals of a plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signed {
    /// How many are demanded.
    pub(crate) required: usize,
    /// Of different people who may approve: as many, or more.
    good: Vec<Presented>,
    /// Of somebody else, of another text, once more of one of these, or of nobody.
    noise: Vec<Presented>,
}

impl Signed {
    /// The approvals of half of all plans; those of the others are not asked for.
    pub(crate) fn draw(rng: &mut Rng, text: &str) -> Self {
        if rng.bool() {
            return Self::default();
        }
        let required = rng.usize(1..=2);
        let mut people: Vec<_> = (0..PEOPLE.len()).collect();
        rng.shuffle(&mut people);
        people.truncate(required + rng.usize(0..=1));
        let good: Vec<_> = people.iter().map(|person| signature(*person, text)).collect();
        let noise = match rng.u32(0..5) {
            0 => vec![signature(STRANGER, text)],
            1 => vec![signature(people[0], "another plan\n")],
            2 => vec![good[0].clone()],
            3 => vec![Presented { from: "plan.x.sig".into(), named: None, text: "no signature".into() }],
            _ => Vec::new(),
        };
        Self { required, good, noise }
    }

    /// How many count.
    pub(crate) fn count(&self) -> usize {
        self.good.len()
    }

    fn brings(&self, good: usize) -> Approvals {
        let presented = self.noise.iter().chain(&self.good[..good]).cloned().collect();
        Approvals { presented, signers: Some(signers()), required: self.required, ..Approvals::default() }
    }

    pub(crate) fn all(&self) -> Approvals {
        self.brings(self.good.len())
    }

    /// One too few, and how many of them count; nothing, where none is demanded. What is brought beside them
    /// is worth nothing, unless it is one of them again.
    pub(crate) fn too_few(&self) -> Option<(Approvals, usize)> {
        let found = self.required.checked_sub(1)?;
        let mut few = self.brings(found);
        let is_good = |one: &Presented| self.good.contains(one);
        few.presented.retain(|one| !is_good(one) || self.good[..found].contains(one));
        Some((few, found))
    }
}
