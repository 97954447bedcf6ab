"""Requests of http_grammar.py for the HTTP server of the whole dongle, over real sockets, while it
reads its meter, and by clients that dawdle, leave or never end.

Each request has a number, from which it can be made again. A fault is a dongle that ends, resets
or hangs, a task that fails, an answer that is none or has a secret in it, and memory or
descriptors that are not given back. That no reading is late meanwhile is a matter of time, which
the campaign of tools/soak looks at.
"""

import hashlib
import json
import random
import socket
import struct
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bundles
import owner
import rig
from build import arch_of, compile_firmware
from codes import DOCUMENTED, is_error
from household import Household, wait_for
from http_grammar import BODIES, HEADERS, Grammar
from pack import names_in

CLIENTS = 2  # that ask as fast as they can; one more dawdles, and the server takes three at once
WARM_UP = 300  # requests, after which all is there that is made once
HUNG_S = 60
GIVEN_UP_S = 25
MOST_GROWTH_BYTES = 4096
MOST_FAULTS = 20

RIGHT, WRONG = "right secret", "wrong secret"
SALT = bytes(16)
KEY = hashlib.pbkdf2_hmac("sha256", RIGHT.encode(), SALT, 100)
CONFIG = {
    "wifi": {"password": "wifi secret"},
    "mqtt": {"user": "p1", "password": "mqtt secret"},
    "http": {"password_hash": f"pbkdf2-sha256$100${SALT.hex()}${KEY.hex()}"},
    "homewizard": {"enabled": True},
}
SECRETS = [b" secret", KEY.hex().encode(), b"pbkdf2"]

# Resets that are only told. And pauses after a wrong password that end after a few requests,
# however fast these are: else what needs the right one would hardly ever be reached.
STAND_INS = """
import machine
machine.reset = lambda: print("RESET")
from dongle import app, auth
app.App.spare_auth = lambda self, idle_ms: None  # it would be loaded anew
auth._FIRST_PAUSE_MS = auth._LONGEST_PAUSE_MS = 6
class Counting:
    count = 0
    def __init__(self, health):
        self.say = health.say
    def uptime_ms(self):
        Counting.count += 1
        return Counting.count
begin = auth.Auth.__init__
def begin_counting(self, stored, health, guesses):
    begin(self, stored, Counting(health), guesses)
auth.Auth.__init__ = begin_counting
"""


class _Home(Household):
    """A dongle with the firmware compiled, as on a board."""

    def __init__(self, folder: Path):
        compiled, flash = folder / "compiled", folder / "flash"
        flash.mkdir()
        compile_firmware(compiled, arch_of(rig.micropython()), names_in(STAND_INS))
        for name in ("boot.py", "main.py"):
            (compiled / name).write_bytes((rig.ROOT / "firmware" / name).read_bytes())
        frozen, stand_ins, _, library = rig.micropython_path().split(":")
        super().__init__(
            flash,
            config=CONFIG,
            files={owner.PUBLIC_KEY: owner.public_pem(bundles.KEY).decode()},
            before=STAND_INS,
            environment={"MICROPYPATH": f"{frozen}:{compiled}:{stand_ins}:{library}"},
        )

    def _hear(self, line: str):
        self.said.append(line)

    def is_alive(self) -> bool:
        return self.dongle.process.poll() is None and self.dongle.resets == 0

    def live_memory(self) -> int:
        """Bytes in use right after a collection, once nothing is under way: the least that many
        looks see."""
        # By its own clock: it gives up an update whose client dawdles after 20 s, and collects its
        # garbage now and then.
        rested_s = self.health()["uptime_s"] + GIVEN_UP_S
        wait_for(lambda: self.health()["uptime_s"] > rested_s, "it has had its rest", 300)
        return min(self.health()["memory"]["used"] for _ in range(60))


@dataclass
class Findings:
    outcomes: Counter = field(
        default_factory=Counter
    )  # statuses, and what else became of requests
    faults: list[str] = field(default_factory=list)
    took_s: float = 0
    telegrams: int = 0
    longest_gap_s: float = 0
    longest_turn_ms: int = 0
    memory_growth_bytes: int = 0
    descriptors: tuple[int, int] = (0, 0)  # before and after

    def __str__(self):
        outcomes = ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        before, after = self.descriptors
        return "\n".join(
            [
                f"{sum(self.outcomes.values())} requests in {self.took_s:.0f} s: {outcomes}",
                f"{self.telegrams} telegrams read meanwhile, the longest gap "
                f"{self.longest_gap_s:.1f} s, the longest turn {self.longest_turn_ms} ms",
                f"{self.memory_growth_bytes} bytes more in use, {before} descriptors before and "
                f"{after} after",
                *(f"FAULT: {fault}" for fault in self.faults),
            ]
        )


class _Gaps(threading.Thread):
    """The longest time between two telegrams on the TCP port."""

    def __init__(self, home: _Home):
        super().__init__(daemon=True)
        self.longest_s, self.telegrams = 0.0, 0
        self._socket = home.connect(home.tcp_port)
        self._last_s = time.monotonic()
        self._is_over = False
        self.start()

    def run(self):
        self._socket.settimeout(0.5)
        while not self._is_over:
            try:
                count = self._socket.recv(65536).count(b"!")
            except TimeoutError:
                count = 0
            now_s = time.monotonic()
            self.longest_s = max(self.longest_s, now_s - self._last_s)
            if count:
                self.telegrams += count
                self._last_s = now_s

    def stop(self):
        self._is_over = True
        self.join()
        self._socket.close()


def fault_of(answer: bytes) -> str:
    """What is wrong with an answer that has come to its end, or ""."""
    if any(secret in answer for secret in SECRETS):
        return "a secret"
    head, end, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    if not end or not first.startswith(b"HTTP/1.1 ") or not first[9:12].isdigit():
        return "no head"
    headers = dict(line.split(b": ", 1) for line in lines)
    if not body:  # of a HEAD, and of the redirection
        return ""
    if headers.get(b"Transfer-Encoding") == b"chunked":
        return "" if body.endswith(b"\r\n0\r\n\r\n") else "chunks without an end"
    if int(headers.get(b"Content-Length", len(body))) != len(body):
        return "another length"
    if first[9:10] >= b"4" and headers[b"Content-Type"] == b"application/json":
        try:
            document = json.loads(body)
            is_health = "reason" in document and document.get("code") in DOCUMENTED
            return "" if is_health or is_error(document) else "no reason"
        except ValueError:
            return "no JSON"
    return ""


class _Fuzzer:
    def __init__(self, home: _Home, first: int, requests: int):
        self.findings = Findings()
        self._home = home
        self._numbers = iter(range(first, first + requests))
        self._lock = threading.Lock()

    def numbers(self) -> Iterator[int]:
        """Of the requests that are left, each to one thread, as long as there is a dongle."""
        while self._home.is_alive() and len(self.findings.faults) < MOST_FAULTS:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            yield number

    def ask(self, number: int):
        """One request, to the end of its answer."""
        answer, has_ended = b"", False
        request = Grammar(number, RIGHT, WRONG).request()
        try:
            with self._home.connect() as client:
                client.settimeout(HUNG_S)
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                while piece := client.recv(65536):
                    answer += piece
                has_ended = True
        except TimeoutError:
            self.complain("it hangs", number)
        except OSError:
            pass  # a reset: it need not hear everybody out
        answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not has_ended:
            self.note("cut off")
        elif not answer:
            self.note("without an answer")
        else:
            fault = fault_of(answer)
            if fault:
                self.complain(f"{fault} in {answer[:500]!r}", number)
            is_turned_away = b"too many clients" in answer
            self.note("turned away" if is_turned_away else answer.split()[1].decode("latin-1"))

    def dawdle(self, number: int):
        """The same request by one who is none of the quick clients."""
        pick = random.Random(number)
        request = Grammar(number, RIGHT, WRONG).request()
        try:
            with self._home.connect() as client:
                client.settimeout(HUNG_S)
                match pick.randrange(5):
                    case 0:  # half of it, until it is hung up on
                        client.sendall(request[: len(request) // 2])
                        while client.recv(65536):
                            pass
                    case 1:  # a byte now and then
                        for byte in request[:60]:
                            client.sendall(bytes((byte,)))
                            time.sleep(0.02)
                    case 2:  # takes no answer
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
                        client.sendall(b"GET /history HTTP/1.0\r\n\r\n")
                        time.sleep(1)
                    case 3:  # resets
                        client.sendall(request)
                        linger = struct.pack("ii", 1, 0)
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    case 4:  # sends without end
                        client.sendall(b"POST /update HTTP/1.0\r\nContent-Length: 99999999\r\n")
                        for _ in range(40):
                            client.sendall(pick.choice(HEADERS) + b"\r\n" + pick.choice(BODIES))
        except TimeoutError:
            self.complain("it hangs for who dawdles", number)
        except OSError:
            pass
        self.note("dawdled")
        time.sleep(0.2)

    def note(self, outcome: str):
        with self._lock:
            self.findings.outcomes[outcome] += 1

    def complain(self, what: str, number: int):
        self.findings.faults.append(f"{what}, after request {number}")

    def run(self):
        """All of them."""

        def each(do):
            for number in self.numbers():
                do(number)

        threads = [threading.Thread(target=each, args=(self.ask,)) for _ in range(CLIENTS)]
        threads.append(threading.Thread(target=each, args=(self.dawdle,)))
        began_s = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.findings.took_s = time.monotonic() - began_s


def run(requests: int, first: int = 0) -> Findings:
    """requests: how many, from the number `first` on."""
    with tempfile.TemporaryDirectory(prefix="p1-fuzz-") as folder, _Home(Path(folder)) as home:
        home.wait_until_connected()
        home.wait_until_reading()
        _Fuzzer(home, -WARM_UP, WARM_UP).run()
        memory, descriptors = home.live_memory(), home.descriptors_at_rest()
        gaps = _Gaps(home)
        fuzzer = _Fuzzer(home, first, requests)
        fuzzer.run()
        gaps.stop()
        found = fuzzer.findings
        found.telegrams, found.longest_gap_s = gaps.telegrams, gaps.longest_s
        if not home.is_alive():
            found.faults.append("it ended: " + " / ".join(home.said[-20:]))
            return found
        health = home.health()
        found.longest_turn_ms = health["longest_turn_ms"]
        found.memory_growth_bytes = home.live_memory() - memory
        found.descriptors = descriptors, home.descriptors_at_rest()
        if health["task_failures"]:
            found.faults.append(
                f"tasks failed: {health['task_failures']} {health['last_failure']}"
            )
        if health["telegrams"]["crc"] or health["telegrams"]["overflow"]:
            found.faults.append(f"the meter was not heard: {health['telegrams']}")
        if found.memory_growth_bytes > MOST_GROWTH_BYTES:
            found.faults.append("it keeps memory")
        if found.descriptors[1] > found.descriptors[0]:
            found.faults.append("it keeps descriptors")
        return found
