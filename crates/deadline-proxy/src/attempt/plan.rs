//! Whom the requests of a route call, as far as all workers share it.

use std::fmt;
use std::sync::Arc;

use http::Request;
use http::header::UPGRADE;

use super::burden::Burden;
use super::limit::TryLimit;
use super::{End, PlanError, Settings};

/// The chain of a route, with what its upstreams are asked to bear.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) settings: Settings,
    pub(super) first: Step,
    pub(super) further: Vec<Step>,
    /// The name of this hop.
    pub(super) hop: Arc<str>,
}

/// One upstream of a chain.
#[derive(Debug)]
pub(crate) struct Step {
    /// Its place among those of the proxy.
    pub(crate) upstream: usize,
    /// The most that one attempt takes.
    pub(crate) limit: Option<TryLimit>,
    pub(super) burden: Arc<Burden>,
}

impl Plan {
    /// # Errors
    ///
    /// A chain of nobody, or of somebody who is not there.
    pub(crate) fn new(settings: &Settings, burdens: &[Arc<Burden>], hop: &str) -> Result<Arc<Self>, PlanError> {
        let mut steps = settings.chain.iter().map(|link| match burdens.get(link.upstream) {
            Some(burden) => {
                let limit = link.limit.map(|limit| TryLimit::new(limit, burden.name()));
                Ok(Step { upstream: link.upstream, limit, burden: Arc::clone(burden) })
            }
            None => Err(PlanError::NoUpstream { at: link.upstream, of: burdens.len() }),
        });
        let first = steps.next().ok_or(PlanError::Empty)??;
        let further = steps.collect::<Result<_, _>>()?;
        Ok(Arc::new(Self { settings: settings.clone(), first, further, hop: hop.into() }))
    }

    /// One of the chain, from 0.
    pub(super) fn step(&self, at: usize) -> &Step {
        at.checked_sub(1).and_then(|at| self.further.get(at)).unwrap_or(&self.first)
    }

    /// Whether there is more than one upstream to ask.
    pub(super) fn is_chain(&self) -> bool {
        !self.further.is_empty()
    }

    /// Whether what comes of a request may be followed by anything but its answer.
    pub(super) fn goes_on<B>(&self, request: &Request<B>) -> bool {
        !self.is_plain() || is_safe(request)
    }

    /// Whether nothing but a connection that broke can be followed by another attempt.
    pub(super) fn is_plain(&self) -> bool {
        !self.is_chain() && self.settings.retries == 0 && self.settings.end == End::Answer
    }
}

impl fmt::Display for Plan {
    /// `corp (5s each; passes on 404, connect), then golang; 2 retries`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, link) in self.settings.chain.iter().enumerate() {
            let limit = link.limit.map(|limit| format!("{limit:?} each"));
            let on: Vec<_> = link.on.iter().map(ToString::to_string).collect();
            let on = (!on.is_empty()).then(|| format!("passes on {}", on.join(", ")));
            let terms: Vec<_> = limit.into_iter().chain(on).collect();
            f.write_str(if at == 0 { "" } else { ", then " })?;
            f.write_str(self.step(at).burden.name())?;
            if !terms.is_empty() {
                write!(f, " ({})", terms.join("; "))?;
            }
        }
        if self.settings.end == End::Off {
            f.write_str(", then off")?;
        }
        write!(f, "; {} retries", self.settings.retries)
    }
}

/// Whether a request can be sent again though the first may have been done (RFC 9110 §9.2.2). A handshake cannot: its
/// connection is a part of it.
pub(super) fn is_safe<B>(request: &Request<B>) -> bool {
    request.method().is_idempotent() && !request.headers().contains_key(UPGRADE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::{Budget, Link};
    use std::time::Duration;

    fn plan(chain: &[usize], change: impl FnOnce(&mut Settings)) -> Result<String, String> {
        let burden = |name: &&str| Arc::new(Burden::new(name, Budget::default()).unwrap());
        let burdens: Vec<_> = ["corp", "golang"].iter().map(burden).collect();
        let mut settings = Settings::once(0);
        settings.chain = chain.iter().copied().map(Link::new).collect();
        change(&mut settings);
        let plan = Plan::new(&settings, &burdens, "edge");
        plan.map(|plan| plan.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_chain_names_upstreams_that_there_are() {
        assert_eq!(plan(&[], |_| {}), Err("at least one upstream is expected".to_owned()));
        let error = "upstream 2: one of the 2 that there are is expected, from 0";
        assert_eq!(plan(&[0, 2], |_| {}), Err(error.to_owned()));
    }

    #[test]
    fn a_plan_is_told_in_words() {
        assert_eq!(plan(&[1], |_| {}).as_deref(), Ok("golang; 0 retries"));
        let told = plan(&[0, 1], |settings| {
            settings.chain[0].limit = Some(Duration::from_secs(5));
            settings.chain[0].on = ["404", "connect"].map(|on| on.parse().unwrap()).into();
            (settings.end, settings.retries) = (End::Off, 2);
        });
        assert_eq!(told.as_deref(), Ok("corp (5s each; passes on 404, connect), then golang, then off; 2 retries"));
    }
}
