# What is told of a connection that has ended: the same whichever side noticed it first.

import errno

from dongle.mqtt.link import TLS_EOF
from dongle.mqtt.loss import CLOSED, words

for number in (TLS_EOF, 32, errno.ECONNRESET):
    assert words(OSError(number)) == CLOSED, number
assert words(OSError(errno.ECONNREFUSED)) == "no connection: ECONNREFUSED"
assert words(OSError(-202)) == "no connection: (error -202)"
print("ok")
