# What InfluxDB or dsmr-reader can do to a dongle that pushes, each in a world whose clock waits
# for nobody: see test_push.py. Argument: the name of a story. Prints its facts as JSON.

import time

import peers
import tale

FAR_END = ("10.0.0.4", 8086)
_OK = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


class Push(tale.Tale):
    chip_kind = "roomy"
    config = {
        "mqtt": {"host": ""},
        "influx": {"url": "http://10.0.0.4:8086/write?db=p1", "interval_s": 1},
    }

    treat: Any  # what the far end does with a connection

    def begin(self):
        self.host = tale.Host(FAR_END, self.treat)

    def tell(self):
        tried = len(self.attempts_ms.get(FAR_END, ()))
        yield from self._wait(150)
        self.facts["pauses_ms"] = self.pauses_ms(FAR_END, tried)
        self.facts["push"] = self.health["influx"]
        heard, over = self.host.heard, self.host.ends_ms
        self.facts["took_ms"] = [over[number] - heard[number][0] for number in over]


class Well(Push):
    def treat(self, end, number):
        end.send(_OK)
        end.close()


class DsmrReader(Push):
    """It is well; each of the first ten telegrams takes three seconds."""

    config = {
        "mqtt": {"host": ""},
        "dsmr_reader": {"url": "http://10.0.0.4:8086/api", "token": "key", "interval_s": 1},
    }

    def treat(self, end, number):
        def answer():
            end.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            end.close()

        time.later(3_000 if number < 10 else 100, answer)

    def tell(self):
        yield from self._wait(150)
        self.facts["push"] = self.health["dsmr_reader"]
        self.facts["good"] = self.health["telegrams"]["good"]
        self.facts["count"] = len(self.host.heard)


class Hangs(Push):
    def treat(self, end, number):
        pass


class Dribbles(Push):
    """A head that comes, but never as a whole."""

    def treat(self, end, number):
        end.send(b"HTTP/1.1 204 No Content\r\n")

        def more():
            if not end.is_reset and not end.has_ended:
                end.send(b"X")
                time.later(500, more)

        more()


class TakesNothing(Push):
    def treat(self, end, number):
        end.is_reading = False


class Unreachable(Push):
    """Connecting neither succeeds nor fails."""

    def begin(self):
        peers.socket.silent.add(FAR_END[0])
        self.host = tale.Host(FAR_END, None)


class Refuses(Push):
    def begin(self):
        self.host = tale.Host(FAR_END, None)
        self.host.leave()

    def tell(self):
        yield from self._wait(300)
        self.facts["pauses_ms"] = self.pauses_ms(FAR_END)
        self.facts["push"] = self.health["influx"]


class AsksToWait(Push):
    """For 40 s, once, which is more than its own pauses would be."""

    def treat(self, end, number):
        if number == 100:
            end.send(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 40\r\n\r\n")
        else:
            end.send(_OK)
        end.close()


tale.tell(
    {
        "well": Well,
        "slow_dsmr_reader": DsmrReader,
        "hangs": Hangs,
        "dribbles": Dribbles,
        "takes_nothing": TakesNothing,
        "unreachable": Unreachable,
        "refuses": Refuses,
        "asks_to_wait": AsksToWait,
    }
)
