use super::*;
use deadline_testkit::{Contract, ScriptedBody, Step, assert_body_passes};
use tower_deadline::{AnswerBody, Answers};

/// With all that can happen in front.
fn whole() -> FrontLayer {
    let settings = crate::forward::Settings::default();
    let access = AccessLayer::new(None).keeping(9);
    FrontLayer::new()
        .access(access)
        .tally(TallyLayer::new())
        .explained()
        .receive(ReceiveLayer::new(&settings, "edge").unwrap())
        .framing(FramingLayer::new(Answers::new()))
}

fn request() -> Request<ScriptedBody> {
    Request::get("/").header("host", "a").body(ScriptedBody::new([Step::Data("a")])).unwrap()
}

#[tokio::test]
async fn it_keeps_to_the_contract_of_tower() {
    for layer in [whole(), FrontLayer::new()] {
        Contract::of(|inner| layer.layer(inner), request).assert_all();
    }
}

// R14
#[test]
fn bodies_pass_exactly() {
    let layers = [Arc::new(whole()), Arc::default()];
    for layer in layers {
        assert_body_passes(|inner| {
            let access = AccessLayer::open(&layer.access, &mut Request::new(()));
            let tally = layer.tally.as_ref().map(|tally| TallyLayer::open(tally, &Request::new(())));
            FrontBody::new(AnswerBody::Inner(inner), access, tally)
        });
    }
}
