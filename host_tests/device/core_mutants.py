# Damages telegrams, half of them with a CRC that proves the damage, and reads them: with one
# Reading over all, as the dongle does, and with a fresh one. The two must agree, nothing may
# raise or hang. Prints how many were made, how many telegrams were read, the framer's counters.
#
#   core_mutants.py COUNT SEED FILE ...

import sys

from p1 import crc16
from p1.decode import decode
from p1.framer import Framer
from p1.reading import Reading
from p1.render.json import Json

count = int(sys.argv[1])
seed = int(sys.argv[2])
telegrams = []
for name in sys.argv[3:]:
    with open(name, "rb") as file:
        telegrams.append(bytearray(file.read()))

WORDS = b"0123456789()*.:-/!SWkmMVAh \r\n\x00\x7f\x80\xff"
TOKENS = (
    b"(",
    b")",
    b"\r\n",
    b"()",
    b")(",
    b"*kWh)",
    b"(632525252525W)",
    b"999999999",
    b"1-0:1.7.0(",
)


def chance(limit):
    # A generator of its own, so that a seed means the same in every build.
    global seed
    seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
    return (seed >> 8) % limit


def damaged(sent):
    """Another telegram, with its own CRC in half of the cases, and whether that was done."""
    mutant = bytearray(sent)
    kind = chance(8)
    for _ in range(1 + chance(3)):
        at = 1 + chance(len(mutant) - 7)
        if kind < 4:
            mutant[at] = WORDS[chance(len(WORDS))]
        elif kind == 4:
            mutant[at] ^= 1 << chance(8)
        elif kind == 5:
            mutant = mutant[:at] + mutant[at + 1 + chance(40) :]
        elif kind == 6:
            mutant = mutant[:at] + TOKENS[chance(len(TOKENS))] + mutant[at:]
        else:
            start = 1 + chance(len(mutant) - 7)
            mutant = mutant[:at] + mutant[start : start + chance(80)] + mutant[at:]
        if len(mutant) < 40:
            break
    end = mutant.rfind(b"!")
    if end < 0 or chance(2):
        return mutant
    return mutant[: end + 1] + b"%04X\r\n" % crc16.update(mutant, 0, 0, end + 1)


def document(reading, json, telegram, size):
    decode(telegram, size, reading)
    page = json.render(reading)
    return memoryview(page.bytes)[: page.size]


def accept(telegram, size):
    global accepted
    accepted += 1
    seen = document(reading, json, telegram, size)
    fresh = Reading(country)
    if seen != document(fresh, fresh_json, telegram, size) or fresh.rejected != reading.rejected:
        print("read otherwise after other telegrams:", bytes(telegram[:size]), bytes(seen))
        sys.exit(1)


country = "auto"
reading = Reading(country)
json = Json()
fresh_json = Json()
accepted = 0
framer = Framer(accept)
made = 0
while made < count:
    sent = telegrams[chance(len(telegrams))]
    for _ in range(1 + chance(4)):  # some seconds of one meter
        if chance(2):
            framer.feed(sent, len(sent))
        mutant = damaged(sent)
        made += 1
        at = 0
        while at < len(mutant):
            chunk = mutant[at : at + 1 + chance(600)]
            framer.feed(chunk, len(chunk))
            at += len(chunk)
        if chance(2):
            framer.reset()
print(made, accepted, framer.good, framer.crc, framer.overflow, framer.framing)
