//! Scripted bodies and probes.
