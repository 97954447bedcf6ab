# Deciphers a file in chunks of several sizes. Prints the telegrams' JSON, then the counters.
#
#   core_cipher.py KEY AUTHENTICATION_KEY FILE, the keys in hex

import sys
from binascii import unhexlify

from feed import feed

from p1.cipher import Cipher
from p1.decode import decode
from p1.framer import Framer
from p1.reading import Reading
from p1.render.json import Json

reading = Reading()
json = Json()


def show(telegram, size):
    decode(telegram, size, reading)
    page = json.render(reading)
    out.write(memoryview(page.bytes)[: page.size])
    out.write(b"\n")


out = sys.stdout.buffer
framer = Framer(show)
cipher = Cipher(unhexlify(sys.argv[1]), unhexlify(sys.argv[2]), framer.feed)
for size in (1, 64, 1000):
    cipher.reset()
    feed(cipher, sys.argv[3:], size)
print(cipher.good, cipher.bad, cipher.overflow, framer.good)
