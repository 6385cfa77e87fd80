//! Makes the client and the server of the greeter. With a `.proto` and `protoc` it would be
//! `tonic_prost_build::compile_protos("greeter.proto")`; this needs neither.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let say_hello = Method::builder()
        .name("say_hello")
        .route_name("SayHello")
        .input_type("String")
        .output_type("String")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let greeter = Service::builder().name("Greeter").package("hello").method(say_hello).build();
    Builder::new().compile(&[greeter]);
    println!("cargo:rerun-if-changed=build.rs");
}
