//! The examples are the files beside this one. This one runs the README's.
#![doc = include_str!("../README.md")]
