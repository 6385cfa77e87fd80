//! Makes the client and the server of a service for the tests of tonic. Without a `.proto`, because that would
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
    Builder::new().compile(&[orders]);
    println!("cargo:rerun-if-changed=build.rs");
}
