"""A meter for the page's tests, which has its own ideas of time: what happened in two days is told
in seconds, and then a telegram comes each second with whatever a test wants it to say."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from make_fixtures import seal
from meter.civil import local
from meter.household import Household
from meter.telegram import Meter

PAST = timedelta(days=1, hours=19)  # since before yesterday's midnight, in the evening
_HOUR_S, _QUARTER_S = 3600, 900
_IN_QUARTER_S = (2, 895)  # enough of each quarter to know what it comes to
_AHEAD = 8  # short telegrams that fit in the dongle's ring, at no baud rate
# What a telegram of the past says: the clock, the registers, 1.4.0 and the power.
_OF_THE_PAST = re.compile(r"/|0-0:1\.0\.0|1-0:[12]\.[78]\.|1-0:1\.4\.0|\r\n$")
_ENDS_QUICKLY_S = 0.05


class ScriptedMeter:
    """One telegram a second on `cable`, once a reader has asked for them.

    now     its clock at the first of these
    past    what it tells before, or from then on where there is none
    taken() how many telegrams the reader has had so far; to be set when it is there
    """

    def __init__(self, now: datetime, past: timedelta = timedelta()):
        self._meter = Meter(Household(now - past))
        self._past_s = int(past.total_seconds())
        self.taken: Callable[[], int] | None = None
        self._says: dict[str, str] = {}
        self._is_silent = False
        self._is_changed = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(_ENDS_QUICKLY_S)
        self.cable = f"tcp:127.0.0.1:{self._server.getsockname()[1]}"
        self._is_over = threading.Event()
        self.is_present = threading.Event()  # the past has been told
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def now(self) -> str:
        """Its clock, as a reading has it."""
        return local(self._meter.household.now_s).isoformat()

    def say(self, says: dict[str, str]) -> None:
        """From now on, {OBIS: what stands behind it} instead of what the household does."""
        self._says, self._is_silent = says, False
        self._is_changed.set()

    def fall_silent(self) -> None:
        self._is_silent = True

    def is_odd(self) -> bool:
        return bool(self._says or self._is_silent)

    def stop(self) -> None:
        self._is_over.set()
        self._is_changed.set()
        self._thread.join()
        self._server.close()

    def _run(self):
        while not self._is_over.is_set():
            try:
                plug, _ = self._server.accept()
            except TimeoutError:
                continue
            try:
                with plug:
                    plug.settimeout(_ENDS_QUICKLY_S)
                    self._serve(plug)
            except OSError:
                pass  # the reader has gone; another one may come

    def _serve(self, plug: socket.socket):
        while self._request(plug) != b"1":
            if self._is_over.is_set():
                return
        if not self.is_present.is_set():
            for number, telegram in enumerate(self._history()):
                if number % _AHEAD == 0 and not self._wait_until_taken(number):
                    return
                plug.sendall(telegram)
            self.is_present.set()
        while not self._is_over.is_set():
            self._is_changed.wait(1 - _ENDS_QUICKLY_S)
            self._is_changed.clear()
            self._meter.step()
            if self._request(plug) == b"":
                return
            if not self._is_silent:
                plug.sendall(self._telegram())

    def _wait_until_taken(self, count: int) -> bool:
        while not (self.taken and self.taken() >= count):
            if self._is_over.wait(0.001):
                return False
        return True

    def _request(self, plug: socket.socket) -> bytes | None:
        """What the reader last said; b"": it has gone; None: nothing new."""
        try:
            return plug.recv(64)[-1:]
        except TimeoutError:
            return None

    def _history(self) -> Iterator[bytes]:
        household = self._meter.household
        end_s = household.now_s + self._past_s
        while household.now_s < end_s:
            self._meter.step()
            is_recent = household.now_s > end_s - _HOUR_S
            every_10_s = household.now_s % 10 == 0
            if every_10_s if is_recent else household.now_s % _QUARTER_S in _IN_QUARTER_S:
                yield seal("".join(filter(_OF_THE_PAST.match, self._lines())).encode())

    def _telegram(self) -> bytes:
        telegram = "".join(self._lines())
        for obis, said in self._says.items():
            telegram = re.sub(rf"(?m)^{re.escape(obis)}\(.*\)(?=\r$)", obis + said, telegram)
        return seal(telegram.encode())

    def _lines(self) -> list[str]:
        """Of this second's telegram, without the last one, which seal() makes."""
        return self._meter.telegram().decode().splitlines(keepends=True)[:-1]
