# The ways of a telegram through the core, for CPython and MicroPython alike: each takes all
# telegrams once.

from p1 import crc16
from p1.decode import decode
from p1.framer import Framer
from p1.reading import Reading
from p1.render.json import Json

CHUNK = 120  # what an ESP32's UART hands over at once
_BEHIND_CRC = 6  # four digits, CR, LF


def load(path):
    """The telegrams of a file, each in a buffer of its own."""
    with open(path, "rb") as file:
        text = file.read()
    telegrams = []
    start = 0
    while start < len(text):
        end = text.find(b"!", start) + 1 + _BEHIND_CRC
        telegrams.append(bytearray(text[start:end]))
        start = end
    return telegrams


class Paths:
    def __init__(self, telegrams):
        self.telegrams = telegrams
        self.reading = Reading()
        self.json = Json()
        self._framer = Framer(self.take)
        self._only_framer = Framer(lambda telegram, size: None)
        self.chunks = [
            telegram[at : at + CHUNK]
            for telegram in telegrams
            for at in range(0, len(telegram), CHUNK)
        ]

    def prime(self):
        """As if the second before the first telegram had been taken: a sequence has no seam."""
        self.take(bytearray(self.telegrams[0]), len(self.telegrams[0]))

    def take(self, telegram, size):
        decode(telegram, size, self.reading)
        self.json.render(self.reading)

    def whole(self):
        """CRC, decode and JSON of a telegram that is there as a whole."""
        for telegram in self.telegrams:
            crc16.update(telegram, 0, 0, len(telegram) - _BEHIND_CRC)
            self.take(telegram, len(telegram))

    def anew(self):
        """The same, where nothing of the telegram before is of use."""
        for telegram in self.telegrams:
            crc16.update(telegram, 0, 0, len(telegram) - _BEHIND_CRC)
            self.reading.is_whole = False
            self.take(telegram, len(telegram))

    def feed(self, number):
        chunk = self.chunks[number]
        self._framer.feed(chunk, len(chunk))

    def fed(self):
        """All of it from chunks, as they come from the UART."""
        for number in range(len(self.chunks)):
            self.feed(number)

    def framed(self):
        """What is done while the telegram is still coming in: all but decode and JSON."""
        for chunk in self.chunks:
            self._only_framer.feed(chunk, len(chunk))
