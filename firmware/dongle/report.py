# The report on the state of the dongle, for GET /health and, once a minute, for MQTT.
#
# This module is in memory only while a report is made, see Device.report(). The modules of its
# parts are loaded one after the other. The report is written piece by piece, as text: in
# dictionaries, MicroPython would intern all these names and never free them.

import json

from p1.render.page import Page

from . import forget, scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Device

TEMPORARY = True  # see forget()


class Report:
    """The report of a Device. problem: what is wrong, as a code and in words, or None."""

    def __init__(self, device: "Device"):
        self._device = device
        self.problem = None
        if device.port is None:
            self.problem = "no_port", device.health.problems[-1]
        elif device.latest.age_ms() is None:
            self.problem = _silence(device)

    def pieces(self):
        """Yields the document in pieces of bytes. Each piece is made only when it is needed,
        because together they take more than a kilobyte."""
        for text in self._texts():
            yield text.encode()

    def prepare(self, topic: bytes) -> None:
        """Prepares publish(): does everything that allocates memory."""
        from .mqtt.wire import publish_head  # here, because it is loaded only with MQTT

        # Keeps the pieces: the head needs their length, and new ones could differ in length.
        self._parts = list(self.pieces())
        self._page = Page(0)
        self._page.take(scratch)
        self._page.put(publish_head(topic, sum([len(part) for part in self._parts])))

    async def publish(self, link) -> None:
        """Sends the report to the MQTT broker, over a Link."""
        page = self._page
        for part in self._parts:
            at = page.fill(part, 0)
            while at < len(part):
                await link.send(page.bytes, page.size)
                page.size = 0
                at = page.fill(part, at)
        await link.send(page.bytes, page.size)

    def _texts(self):
        device, health = self._device, self._device.health
        yield '{"status":"%s","id":"%s","uptime_s":%d,"firmware":%s,"reset_cause":%s' % (
            "error" if self.problem else "ok",
            device.id,
            health.uptime_ms() // 1000,
            json.dumps(device.firmware),
            json.dumps(device.reset_cause),
        )
        yield ',"starts":' + json.dumps(device.logbook.report())
        framer, rearmed = device.framer, device.port.rearmed if device.port else 0
        yield (
            ',"telegrams":{"good":%d,"crc":%d,"overflow":%d,"framing":%d},"values_rejected":%d,'
            '"rearmed":%d'
            % (
                framer.good,
                framer.crc,
                framer.overflow,
                framer.framing,
                device.latest.rejected,
                rearmed,
            )
        )
        yield from _network(device)
        yield from _dongle(device, self.problem)


def _silence(device: "Device"):
    from .silence import why

    forget()
    return why(device)


def _network(device: "Device"):
    from .report_network import texts

    forget()
    return texts(device)


def _dongle(device: "Device", problem):
    from .report_dongle import texts

    forget()
    return texts(device, problem)
