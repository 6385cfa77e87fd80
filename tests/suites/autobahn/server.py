"""Autobahn|Testsuite's own server, on a free port that it prints. For Python 2.7.

It takes a client's word for where it is: `wstest -m testeeserver` refuses a `Host` with another port than its own,
such as that of a proxy.
"""

import sys

from autobahntestsuite.testee import TesteeServerFactory
from twisted.internet import reactor

factory = TesteeServerFactory("ws://127.0.0.1:0")
factory.externalPort = None
port = reactor.listenTCP(0, factory, interface="127.0.0.1")
sys.stdout.write("%d\n" % port.getHost().port)
sys.stdout.flush()
reactor.run()
