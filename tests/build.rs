//! Makes the clients and the servers of two services for the tests of tonic. Without a `.proto`, because that would
//! need a `protoc` on every machine.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type("String")
            .output_type("String")
            .codec_path("tonic_prost::ProstCodec")
    };
    let orders = Service::builder()
        .name("Orders")
        .package("shop")
        .method(method("buy", "Buy").build())
        .method(method("track", "Track").server_streaming().build())
        .build();
    let market = Service::builder()
        .name("Market")
        .package("shop")
        .method(method("one", "One").build())
        .method(method("many_up", "ManyUp").client_streaming().build())
        .method(method("many_down", "ManyDown").server_streaming().build())
        .method(method("many_both", "ManyBoth").client_streaming().server_streaming().build())
        .build();
    Builder::new().compile(&[orders, market]);
    println!("cargo:rerun-if-changed=build.rs");
}
