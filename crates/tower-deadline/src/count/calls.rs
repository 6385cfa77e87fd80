//! The counts of the calls that go out.

use http_deadline::PolicyName;
use metrics::{Counter, counter};

use super::known::{Handles, Known};
use super::name;

/// The policy of a call that is made outside of any request.
const NONE: &str = "none";

/// The calls under one policy.
#[derive(Debug)]
struct Out {
    sent: Counter,
    unsent: Counter,
    missing: Counter,
}

impl Handles for Out {
    fn of(policy: &'static str) -> Self {
        let count = |name: &'static str| counter!(name, "policy" => policy);
        Self { sent: count(name::ATTEMPTS), unsent: count(name::UNSENT), missing: count(name::MISSING) }
    }
}

/// The counts of the calls of one layer, by the policy of the request that they are part of. A clone has the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(Known<Out>);

impl Calls {
    /// A call goes out.
    #[inline]
    pub(crate) fn sent(&self, policy: impl FnOnce() -> Option<PolicyName>) {
        self.count(policy(), |out| &out.sent);
    }

    /// A call was not sent: nothing was left for it (R16).
    pub(crate) fn unsent(&self, policy: Option<PolicyName>) {
        self.count(policy, |out| &out.unsent);
    }

    /// No deadline was found for a call, whether or not it was sent.
    pub(crate) fn missing(&self, policy: Option<PolicyName>) {
        self.count(policy, |out| &out.missing);
    }

    #[inline]
    fn count(&self, policy: Option<PolicyName>, counter: impl FnOnce(&Out) -> &Counter) {
        counter(&self.0.of(policy.map_or(NONE, PolicyName::as_str)).handles).increment(1);
    }
}
