//! How mirrors behave that fail now and then.

use std::time::Duration;

use super::{Act, Chance, MS, Then};

/// How long a mirror is not there, where it leaves.
const AWAY: Duration = Duration::from_millis(10);

/// Answers as real mirrors do, and fails in a share of all cases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    /// From 0 to 1.
    pub(crate) failures: f64,
}

impl Manner {
    /// What becomes of this request: the same in every run.
    pub(crate) fn act(self, number: usize) -> Act {
        let mut chance = Chance::of(self.seed, number);
        let after = chance.latency();
        let act = if chance.happens(self.failures) { Self::failure(&mut chance) } else { self.answer() };
        Act { after, ..act }
    }

    /// Who answers says so.
    pub(crate) fn answer(self) -> Act {
        Act::answer(200, &format!("x-mirror: {}\r\n", self.name), self.name)
    }

    /// As mirrors have them; each is worth the same attempt elsewhere.
    fn failure(chance: &mut Chance) -> Act {
        match chance.share() {
            ..0.3 => Act::answer(503, "retry-after: 1\r\n", "busy\n"),
            ..0.5 => Act::answer(500, "content-type: text/html\r\n", "<h1>Oops</h1>\n"),
            ..0.7 => Act::answer(404, "", "not found: unknown revision\n"),
            ..0.8 => Act::now(Then::Close),
            ..0.9 => Act::now(Then::Reset),
            ..0.98 => Act::now(Then::Stall),
            _ => Act::now(Then::Leave(AWAY)),
        }
    }
}

#[test]
fn a_manner_fails_as_often_as_it_says() {
    let manner = Manner { name: "a", seed: 1, failures: 0.124 };
    let failures = (0..10_000).filter(|number| match manner.act(*number).then {
        Then::Answer(text) => !text.contains(" 200 "),
        _ => true,
    });
    let failures = failures.count();
    assert!((1_140..1_340).contains(&failures), "{failures}");
    assert!((0..10_000).all(|number| manner.act(number).after >= MS));
}
