//! The binary `deadline-proxy run`, with curl and raw sockets around it.

mod access;
mod attacks;
mod bodies;
mod connections;
mod edge;
mod expiry;
mod faults;
mod fields;
mod forwarding;
mod framing;
mod gateway;
mod grpc;
mod grpc_dialects;
mod grpc_kinds;
mod grpc_web;
mod leaving;
mod listeners;
mod process;
mod routing;
mod smuggling;
mod stages;
mod streams;
mod tie;
mod tunnels;
mod upgrades;
mod vectors;
