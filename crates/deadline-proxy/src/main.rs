//! `deadline-proxy`.

fn main() {}
