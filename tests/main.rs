//! Real sockets, real clients.

mod house;
