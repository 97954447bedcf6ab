# What a broker can do to the dongle, each in a world whose clock waits for nobody: see
# test_broker_faults.py. Argument: the name of a story. Prints its facts as JSON.

import peers
import tale
from peers import BROKER

import world

WELCOME = b"\x20\x02\x00\x00"  # CONNACK: come in
WRONG_PASSWORD = b"\x20\x02\x00\x04"
# After a proper welcome, what no broker sends.
NONSENSE = (
    b"\x30\x00",  # a message without a topic
    b"\x34\x07\x00\x01a\x00\x01hi",  # QoS 2, which nobody asked for
    b"\xd0\x01\x00",  # a sign of life with contents
    b"\x30\xff\xff\xff\xff\xff\x7f",  # a length that never ends
    b"\x30\xff\xff\x7f",  # two million bytes
)


def be_a_broker(end):
    """Enough of one: it welcomes and gives signs of life."""

    def answer(end):
        end.send(b"\xd0\x00")

    end.then = answer
    end.send(WELCOME)


class Away(tale.Tale):
    """The broker goes, stays away for two minutes and is there again."""

    def go(self):
        self.broker.kill()

    def come(self):
        self.broker.start()

    def tell(self):
        self.go()
        tried = len(self.attempts_ms.get(BROKER, ()))
        yield from self._wait(120)
        self.facts["pauses_ms"] = self.pauses_ms(BROKER, tried)
        self.come()
        served = self.broker.served
        self.facts["back_ms"] = yield from self.wait_until(
            lambda: self.broker.served > served, "readings again"
        )


class Stopped(Away):
    def go(self):
        self.broker.mode = "stopped"

    def come(self):
        self.broker.mode = "well"


class Absent(Away):
    """From the start."""

    def begin(self):
        self.broker.kill()


class Unreachable(Away):
    """From the start, and nothing says so: connecting neither succeeds nor fails."""

    def begin(self):
        peers.socket.silent.add(BROKER[0])

    def go(self):
        pass

    def come(self):
        peers.socket.silent.discard(BROKER[0])


class Treated(tale.Tale):
    """Somebody else is where the broker should be, and treats each connection, once it has
    greeted, in his own way."""

    seconds = 90
    treat: Any

    def begin(self):
        self.broker.kill()
        self.host = tale.Host(BROKER, self.treat)

    def tell(self):
        tried = len(self.attempts_ms.get(BROKER, ()))
        yield from self._wait(self.seconds)
        self.facts["pauses_ms"] = self.pauses_ms(BROKER, tried)


class NoBroker(Treated):
    def treat(self, end, number):
        end.send(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n" * 9)


class Nonsense(Treated):
    seconds = 60

    def treat(self, end, number):
        if number < len(NONSENSE):
            end.send(WELCOME + NONSENSE[number])
        else:
            be_a_broker(end)


class WrongPassword(Treated):
    config = {"mqtt": {"user": "the user", "password": "a wrong secret"}}

    def treat(self, end, number):
        end.send(WRONG_PASSWORD)

    def tell(self):
        yield from self._wait(self.seconds)
        said = []
        self.ask("/health", lambda status, body: said.append(body.decode()))
        yield from self.wait_until(lambda: said, "its health")
        self.facts["greeting"] = self.host.heard[0][1].hex()
        self.facts["health"] = said[0]


class HangsUp(Treated):
    def treat(self, end, number):
        end.close()


class StopsInItsWelcome(Treated):
    def treat(self, end, number):
        end.send(WELCOME[:2])


class StopsInMidPacket(Treated):
    def treat(self, end, number):
        if number:
            be_a_broker(end)
        else:
            end.send(WELCOME + b"\x30\x10\x00")


class ThrowsOutFiftyTimes(Treated):
    """In turn: after a welcome, for the wrong password, and without a word."""

    def treat(self, end, number):
        if number % 3 == 0:
            end.then = lambda end: end.close()  # it has said that it is online
            end.send(WELCOME)
        elif number % 3 == 1:
            end.send(WRONG_PASSWORD)
            end.close()
        else:
            end.close()

    def tell(self):
        sockets = []
        for count in (5, 30, 60):
            while len(self.host.heard) < count:
                yield from self._wait(0.1)
            least = world.sockets
            for _ in range(100):  # clients come and go
                yield from self._wait(0.02)
                least = min(least, world.sockets)
            sockets.append(least)
        self.facts["sockets"] = sockets
        self.facts["connects"] = self.health["mqtt"]["connects"]


tale.tell(
    {
        "killed": Away,
        "stopped": Stopped,
        "absent": Absent,
        "unreachable": Unreachable,
        "no_broker": NoBroker,
        "nonsense": Nonsense,
        "wrong_password": WrongPassword,
        "hangs_up": HangsUp,
        "stops_in_its_welcome": StopsInItsWelcome,
        "stops_in_mid_packet": StopsInMidPacket,
        "throws_out_fifty_times": ThrowsOutFiftyTimes,
    }
)
