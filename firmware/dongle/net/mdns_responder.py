# Announces records by multicast DNS and answers queries for them.
#
# If RFC 6762 leaves a choice, this takes the simple one: all answers to queries from port 5353 are
# sent by multicast (§5.4), and there is no test whether the names are free (§8.1), because the
# chip's own number is part of them.

import asyncio
import select

from micropython import const

from p1.render.page import Full, Page

from .dns_packet import Malformed, read_query, write_answers, write_legacy_answers

_TURN_MS = const(100)  # between two looks at the socket; also spreads answers of many hosts (§6)
_TURNS = const(10)
_MOST_IN_A_TURN = const(8)  # packets; the others wait for the next turn
_LONGEST_QUERY = const(512)  # bytes; of a longer query only the beginning with the questions
_LONGEST_ANSWER = const(1200)
_ANNOUNCEMENTS = const(2)  # a second apart (§8.3)
_REST_MS = const(1_000)  # shortest time between two multicasts of the same record (§6)


class Responder:
    """port: a non-blocking UDP socket that has joined the group; group: (address, port);
    records: a Records."""

    def __init__(self, port, group, records, health):
        self._port = port
        self._group = group
        self._records = records
        self._health = health
        self._page = Page(_LONGEST_ANSWER)
        self._poll = select.poll()
        self._poll.register(port, select.POLLIN)
        self._announcements = 0
        self._failure = None
        self._answered = self._malformed = 0

    def state(self) -> dict:
        """Returns what /health shows of the responder."""
        state = {
            "services": self._records.services,
            "answered": self._answered,
            "malformed": self._malformed,
        }
        if self._failure:
            state["reason"] = self._failure
        return state

    async def serve_a_second(self) -> None:
        """Answers queries for about a second."""
        if self._announcements < _ANNOUNCEMENTS:
            self._announcements += 1
            self._multicast(self._records.all)
        for _ in range(_TURNS):
            left = _MOST_IN_A_TURN
            while left and self._has_packet():
                left -= 1
                self._take()
                await asyncio.sleep_ms(0)  # other tasks run in between
            await asyncio.sleep_ms(_TURN_MS)

    def goodbye(self) -> None:
        """Announces that all records are gone (§10.1)."""
        self._multicast(self._records.all, gone=True)

    def _has_packet(self):
        # Polled first, because a read without a packet raises, and exceptions become garbage.
        for _ in self._poll.ipoll(0):
            return True
        return False

    def _take(self):
        try:
            packet, sender = self._port.recvfrom(_LONGEST_QUERY)
        except OSError:
            return
        try:
            query = read_query(packet)
        except Malformed:
            self._malformed += 1
            return
        if query is None:
            return
        answers, extras = self._records.answers(query)
        if sender[1] == self._group[1]:
            answers = [record for record in answers if not self._was_just_said(record)]
            if answers:
                self._answered += 1
                self._multicast(answers, extras)
        elif answers:
            # A client without multicast DNS, which asks only once (§6.7).
            try:
                write_legacy_answers(self._page, query, packet, answers, extras)
            except Full:
                return
            self._answered += 1
            self._send(sender)

    def _was_just_said(self, record):
        if record.sent_ms is None:
            return False
        return self._health.uptime_ms() - record.sent_ms < _REST_MS

    def _multicast(self, answers, extras=(), gone=False):
        write_answers(self._page, answers, extras, gone)
        self._send(self._group)
        for record in answers:
            record.sent_ms = self._health.uptime_ms()

    def _send(self, address):
        # A failure does not matter much: datagrams can be lost, and clients repeat a query.
        try:
            self._port.sendto(memoryview(self._page.bytes)[: self._page.size], address)
            self._failure = None
        except OSError as error:
            self._failure = f"cannot send: {error}"
