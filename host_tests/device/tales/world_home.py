# A meter that falls silent, and Home Assistant that starts, in a world whose clock waits for
# nobody: see test_dongle.py and test_homeassistant.py. Argument: the name of a story. Prints its
# facts as JSON.

import json
import time

import peers
import tale


class Silence(tale.Tale):
    """The cable is pulled out. stale_ms: after how long there is no reading any more; heard: what
    who comes to the TCP port then hears within ten seconds."""

    def tell(self):
        yield from self._wait(1)
        good = self.app.framer.good
        yield from self.wait_until(lambda: self.app.framer.good > good, "the next telegram")
        self.line.plugged = False
        begun_ms, answers = time.now_ms, {}

        def note(path):
            def then(status, body):
                answers[path] = status, body

            self.ask(path, then)

        while answers.get("/reading", (200,))[0] == 200:
            self.facts["last_ms"] = time.now_ms - begun_ms  # when there was still one
            note("/reading")
            yield from self._wait(0.25)
        self.facts["stale_ms"] = time.now_ms - begun_ms
        note("/telegram")
        note("/health")
        yield from self._wait(1)
        heard = []
        newcomer = peers.socket.visit(1502)
        newcomer.on_data = heard.append
        yield from self._wait(10)
        self.facts["heard"] = len(heard)
        self.facts["answered_with"] = [answers[path][0] for path in ("/reading", "/telegram")]
        self.facts["error"] = json.loads(answers["/reading"][1])["error"]
        self.facts["health"] = dict(
            json.loads(answers["/health"][1]), status=answers["/health"][0]
        )
        self.line.plugged = True
        yield from self._wait(20)


class Birth(tale.Tale):
    """Home Assistant has started: after how long everything is announced to it again."""

    config = {"homeassistant": {"discovery": "device"}}

    def tell(self):
        topics, plain = [], self.broker._published

        def published(body):
            topics.append(body[2 : 2 + (body[0] << 8 | body[1])])
            plain(body)

        self.broker._published = published
        yield from self._wait(60)
        self.facts["unasked"] = len([each for each in topics if each.endswith(b"/config")])
        self.facts["after_ms"] = []
        for _ in range(5):
            del topics[:]
            for end in self.broker._ends:
                end.send(b"\x30\x1c\x00\x14homeassistant/statusonline")
            took_ms = yield from self.wait_until(
                lambda: any(each.endswith(b"/config") for each in topics), "announced again"
            )
            self.facts["after_ms"].append(took_ms)
            yield from self._wait(60)


class TakesNothing(tale.Tale):
    """A TCP client that takes nothing, beside the one that does. The campaign of tools/soak does
    the same to a plain ESP32, whose network has no memory for both: there the other one waits."""

    chip_kind = "roomy"

    def tell(self):
        yield from self._wait(0.5)
        begun_ms, took_ms = time.now_ms, []
        end = peers.socket.visit(1502)
        end.is_reading = False

        def over(end):
            took_ms.append(time.now_ms - begun_ms)
            end.close()

        end.on_close = over
        yield from self.wait_until(lambda: took_ms, "it is hung up on")
        self.facts["took_ms"] = took_ms[0]
        yield from self._wait(5)
        self.facts["tcp"] = self.health["tcp"]


tale.tell({"silence": Silence, "birth": Birth, "takes_nothing": TakesNothing})
