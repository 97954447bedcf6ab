# What is told of a connection that has ended: the same whichever side noticed it first.

import errno

from dongle.mqtt.link import TLS_EOF
from dongle.mqtt.loss import explain

for number in (TLS_EOF, 32, errno.ECONNRESET):
    assert explain(OSError(number)) == ("connection_closed", None, False), number
REFUSED = "no_connection", "no connection: ECONNREFUSED", False
assert explain(OSError(errno.ECONNREFUSED)) == REFUSED
assert explain(OSError(-202)) == ("no_connection", "no connection: (error -202)", False)
print("ok")
