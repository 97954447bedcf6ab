# What clients of HTTP do to the dongle, and how long it puts up with them, in a world whose clock
# waits for nobody: see test_http_abuse.py and test_security.py. Argument: the name of a story.
# Prints its facts as JSON.

import json
import os
import time
from binascii import b2a_base64

import peers
import tale

_HEAD = b"GET %s HTTP/1.1\r\nHost: 10.0.0.1\r\n"


class Crowd(tale.Tale):
    """Three clients, as many as are served at once. heard: what each has heard until it was hung
    up on; took_ms: after how long that was; meanwhile: (status, body) of who comes then."""

    chip_kind = "roomy"

    come: Any  # what a client does once it is connected

    def tell(self):
        yield from self._wait(0.5)  # between two looks
        begun_ms, took_ms, heard = time.now_ms, [], []

        def over(end):
            took_ms.append(time.now_ms - begun_ms)
            heard.append(end.take().split(b"\r\n")[0].decode() if end.is_reading else "")
            end.close()

        for _ in range(3):
            end = peers.socket.visit(80)
            end.on_close = over
            self.come(end)
        yield from self._wait(0.1)
        meanwhile = []
        self.ask("/reading", lambda status, body: meanwhile.extend((status, body.decode())))
        yield from self.wait_until(lambda: len(took_ms) == 3, "all are hung up on")
        self.facts.update({"took_ms": took_ms, "heard": heard, "meanwhile": meanwhile})
        yield from self._wait(3)


class Drips(Crowd):
    """Requests that never end, a byte every fifth of a second."""

    def come(self, end):
        if not end.is_reset and not end.has_ended:
            end.send(b"G")
            time.later(200, lambda: self.come(end))


class SaysNothing(Crowd):
    def come(self, end):
        pass


class EndlessLine(Crowd):
    """As fast as it is taken."""

    def come(self, end):
        end.send(b"GET /")
        self._more(end)

    def _more(self, end):
        if not end.is_reset and not end.has_ended:
            end.send(b"a" * 1000)
            time.later(10, lambda: self._more(end))


class TakesNoAnswer(Crowd):
    """The page is longer than what may be under way."""

    def come(self, end):
        end.is_reading = False
        end.send(_HEAD % b"/" + b"\r\n")


class LongBody(tale.Tale):
    """An update that takes half a minute: more than any other exchange may."""

    def tell(self):
        size = os.stat("../silent.bundle")[6]
        answers = []
        with open("../silent.bundle", "rb") as file:
            end = peers.socket.visit(80)
            end.on_data = lambda end: answers.append(end.take())
            end.send(_owner("owner", b"POST /update", b"Content-Length: %d\r\n" % size))
            begun_ms = time.now_ms
            while True:
                data = file.read(size // 60 + 1)
                if not data:
                    break
                while data:
                    data = data[end.send(data) :]
                    yield from self._wait(0.05)
                yield from self._wait(0.5)
        self.facts["took_ms"] = time.now_ms - begun_ms
        yield from self.wait_until(lambda: answers, "an answer")
        self.facts["answer"] = answers[0].split(b"\r\n")[0].decode()


class Guesses(tale.Tale):
    """Six wrong passwords. After each of them the right one is tried until it is looked at."""

    def tell(self):
        pauses_ms, told, number = [], [], 0
        while len(pauses_ms) < 6:
            status, _ = yield from self._try("guess %d" % number)
            assert status == 401, status
            number += 1
            begun_ms, status = time.now_ms, 429
            while status == 429:
                # Not a guess more, because nobody looks at it.
                status, body = yield from self._try("owner")
                if status == 429:
                    if len(told) == len(pauses_ms):
                        told.append(json.loads(body)["error"])
                    yield from self._wait(0.5)
            self.facts.setdefault("at_last", []).append(status)
            pauses_ms.append(time.now_ms - begun_ms)
        self.facts.update({"pauses_ms": pauses_ms, "told": told})

    def _try(self, password):
        answers = []
        head = _owner(password, b"POST /identify", b"")[:-2]
        peers.Owner(head, (), lambda status, body: answers.append((status, body)))
        yield from self.wait_until(lambda: answers, "an answer", 60)
        return answers[0]


class Guesser(Guesses):
    """One guesses from an address of its own three times a second, and the owner asks each second
    and a half. Then a dozen addresses guess."""

    chip_kind = "roomy"

    def tell(self):
        self.number = 0
        guessed = self.facts["guessed"] = []
        owner = self.facts["owner"] = []
        self.addresses = ["10.0.0.66"]
        self.is_over = False
        self._guess(guessed)
        yield from self._wait(1.5)
        for _ in range(40):
            status, _ = yield from self._try("owner")
            owner.append(status)
            yield from self._wait(1.5)
        self.addresses = ["10.0.0.%d" % number for number in range(60, 72)]
        for _ in range(40):
            status, _ = yield from self._try("owner")
            owner.append(status)
            yield from self._wait(1.5)
        self.is_over = True
        self.facts["looked_at"] = guessed.count(401)
        self.facts["guessed"] = len(guessed)

    def _guess(self, guessed):
        if self.is_over:
            return
        time.later(300, lambda: self._guess(guessed))
        self.number += 1
        address = self.addresses[self.number % len(self.addresses)]
        head = _owner("guess %d" % self.number, b"POST /identify", b"")[:-2]
        peers.Owner(head, (), lambda status, body: guessed.append(status), caller=address)


def _owner(password, what, more):
    credentials = b2a_base64(b"owner:" + password.encode())[:-1]
    return (
        what
        + b" HTTP/1.1\r\nHost: 10.0.0.1\r\nAuthorization: Basic "
        + credentials
        + b"\r\n"
        + more
        + b"\r\n"
    )


tale.tell(
    {
        "drips": Drips,
        "says_nothing": SaysNothing,
        "endless_line": EndlessLine,
        "takes_no_answer": TakesNoAnswer,
        "long_body": LongBody,
        "guesses": Guesses,
        "guesser": Guesser,
    }
)
