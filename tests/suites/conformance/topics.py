"""The topics of the table, in order. Each has a title, cases, and a first word in its documentation."""

import bodies
import deadlines
import dying
import framing
import http2
import interim
import leaving
import requests
import responses
import trailers
import upgrades

TOPICS = [
    requests,
    responses,
    framing,
    trailers,
    interim,
    upgrades,
    bodies,
    dying,
    leaving,
    http2,
    deadlines,
]
