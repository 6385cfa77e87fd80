//! What the status page shows of a request that was stopped: `GET /expired`.

use serde_json::Value;

use super::line;
use crate::observe::three_hops::chain::Chain;
use crate::observe::three_hops::run::Run;
use crate::observe::three_hops::slow::Place;
use crate::observe::three_hops::told::{Time, Told};
use crate::support::{curl, soon};

pub(in super::super) async fn told(chain: &Chain, run: &Run) -> Told {
    let url = format!("http://{}/expired", chain.proxy.admin);
    let find = async {
        loop {
            let kept = curl(&[&url]).await.json();
            let mut requests = kept["requests"].as_array().cloned().unwrap_or_default().into_iter();
            if let Some(found) = requests.find(|request| request["path"] == run.path.as_str()) {
                return found;
            }
        }
    };
    let request: Value = soon("a request on the page", find).await;
    line::words("page", &request).time(Time::Took(Place::Proxy), request["elapsed_ms"].as_f64())
}
