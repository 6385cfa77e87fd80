//! Every key of a policy, as the schema has them.
//!
//! Covers their descriptions. Reads nothing: what a policy says is read by tower-deadline, but for the last two keys.

use schemars::JsonSchema;

use super::Retries;
use crate::config::de::Key;
use crate::config::value::{Limit, Whole};

/// What requests are held to.
#[derive(Default, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PolicyKeys {
    /// The budget of a request whose client asked for none. Without `max` it is also the most that a client can ask for:
    /// a field shortens, and lengthens only where that is granted. By default there is no limit.
    #[schemars(extend("examples" = ["3s"]))]
    timeout: Key<Limit>,

    /// The most that a client can ask for, also beyond `timeout`. By default `timeout`; without either there is no limit.
    #[schemars(extend("examples" = ["30s"]))]
    max: Key<Limit>,

    /// The least budget that is worth starting with: a request with less is answered at once, and not sent.
    #[schemars(extend("default" = "0s", "examples" = ["5ms"]))]
    min: Key<Limit>,

    /// What is kept back from upstreams, so that time is left to answer.
    #[schemars(extend("default" = "0s", "examples" = ["50ms"]))]
    reserve: Key<Limit>,

    /// Up to where the deadline holds: to the `head` of the response, or to the end of its `body`. By default to the end
    /// of the body, but for streams of events and of gRPC under a deadline that no client asked for.
    covers: Key<Covers>,

    /// The status of the answer when a deadline has passed, from 400 to 599. gRPC has its own.
    #[schemars(extend("default" = 504))]
    status: Key<Whole<400, 599>>,

    /// The status of the answer when a deadline has passed in the wait for a connection to the upstream, from 400 to 599.
    /// 503 is told as overload is: with `Retry-After: 1`, and to gRPC as code 8 in place of 4. By default `status`.
    #[schemars(extend("examples" = [503]))]
    pool_status: Key<Whole<400, 599>>,

    /// Whether the policy is kept, or only tried out.
    #[schemars(extend("default" = "enforce"))]
    mode: Key<Mode>,

    /// What happens to a request with a deadline field that is malformed.
    #[schemars(extend("default" = "reject"))]
    on_invalid: Key<OnInvalid>,

    /// What happens to a request without a deadline field.
    #[schemars(extend("default" = "allow"))]
    on_missing: Key<OnMissing>,

    /// Whether each answer has an entry in its `Server-Timing` that tells where the time went.
    #[schemars(extend("default" = "off"))]
    ledger: Key<Ledger>,

    /// What happens to a request that has no deadline when an upstream is to be called: no field asks for one, and the
    /// policy gives none.
    #[schemars(extend("default" = "allow"))]
    outgoing: Key<Outgoing>,

    /// How often a request is sent again at most, where that is safe: nothing was sent yet, or the method is idempotent and
    /// the body was kept (see `replay` of a route). Never beyond the deadline, nor beyond `retry_budget`.
    #[schemars(extend("default" = 0))]
    retries: Key<Retries>,

    /// What is waited for before the first retry; twice as long before each further one, less a part by chance. Only with
    /// `retries`.
    #[schemars(extend("default" = "25ms"))]
    backoff: Key<Limit>,
}

/// Up to where a deadline holds.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Covers {
    /// To the head of the response.
    Head,
    /// To the end of its body.
    Body,
}

/// Whether a policy is kept.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    /// It stops nothing: what it would have done is counted.
    Observe,
    /// It is kept.
    Enforce,
}

/// What happens to a request with a deadline field that is malformed.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum OnInvalid {
    /// It is answered with 400.
    Reject,
    /// The field is dropped, and counted.
    Ignore,
}

/// What happens to a request without a deadline field.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum OnMissing {
    /// It has the budget of `timeout`, where there is one.
    Allow,
    /// It is answered with 400.
    Reject,
}

/// Whether an answer tells where the time went, and to whom.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Ledger {
    /// This proxy adds nothing. Strangers, on a listener at the edge, get none of the entries of others either.
    Off,
    /// It adds its entry. Strangers, on a listener at the edge, get none of the entries of any hop.
    Inside,
    /// It adds its entry, and everybody gets those of all hops.
    Public,
}

/// What happens to a request that has no deadline when an upstream is to be called.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Outgoing {
    /// It is sent, and counted.
    Allow,
    /// It is answered with 400, and not sent.
    Require,
}
