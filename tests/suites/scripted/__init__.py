"""Scripted peers: raw sockets on both sides of a proxy, and other proxies to put between them.

Covers what the suites `peers` and `conformance` share. Judges nothing.
"""
