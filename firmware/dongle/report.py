# What GET /health says, and MQTT once a minute: all there is to know of the dongle.
#
# In memory only while somebody makes one, see App.report(). It is written piece by piece, as text:
# as dictionaries each of these names would stay in the chip's memory for good.

import gc
import json

from p1.render.page import Page

from . import forget, room, scratch

_OFF = '{"connected":false,"reason":"off"}'


class Report:
    """Of an App. reason: what is wrong, or None."""

    def __init__(self, app):
        self._app = app
        self.reason = None
        if app.port is None:
            self.reason = app.health.problems[-1]
        elif app.latest.age_ms() is None:
            self.reason = _silence(app)

    def pieces(self):
        """Yields the document, in bytes; each piece is made when it is its turn, because together
        they take more than a kilobyte."""
        try:
            for text in self._texts():
                yield text.encode()
        finally:
            forget("dongle.report")

    def prepare(self, topic):
        """For publish(): what takes memory."""
        from .wire import publish_head  # here, because without a broker there is none

        # Kept, because their lengths have to be known first, and they change.
        self._parts = list(self.pieces())
        self._page = Page(0)
        self._page.take(scratch)
        self._page.put(publish_head(topic, sum([len(part) for part in self._parts])))

    async def publish(self, link):
        """By MQTT, over a Link."""
        page = self._page
        for part in self._parts:
            at = page.fill(part, 0)
            while at < len(part):
                await link.send(page.bytes, page.size)
                page.size = 0
                at = page.fill(part, at)
        await link.send(page.bytes, page.size)

    def _texts(self):
        app, health = self._app, self._app.health
        yield '{"status":"%s","id":"%s","uptime_s":%d,"firmware":%s,"reset_cause":%s' % (
            "error" if self.reason else "ok",
            app.id,
            health.uptime_ms() // 1000,
            json.dumps(app.firmware),
            json.dumps(app.reset_cause),
        )
        yield ',"starts":' + json.dumps(app.logbook.report())
        framer, rearmed = app.framer, app.port.rearmed if app.port else 0
        yield (
            ',"telegrams":{"good":%d,"crc":%d,"overflow":%d,"framing":%d},"values_rejected":%d,'
            '"rearmed":%d'
            % (
                framer.good,
                framer.crc,
                framer.overflow,
                framer.framing,
                app.latest.rejected,
                rearmed,
            )
        )
        yield from self._of_network()
        yield from self._of_dongle()

    def _of_network(self):
        app = self._app
        is_wifi = app.wifi.NAME == "wifi"
        yield ',"wifi":' + (json.dumps(app.wifi.state()) if is_wifi else _OFF)
        yield ',"mqtt":' + (_mqtt(app.mqtt) if app.mqtt else _OFF)
        yield ',"mdns":' + json.dumps(app.mdns.state() if app.mdns else app.mdns_state)
        server, guesses = app.server, app.guesses  # their number first
        stream = app.stream.counts() if app.stream else (0, 0)
        yield (
            ',"http":{"requests":%d,"refused":%d,"wrong_passwords":%d},'
            '"tcp":{"clients":%d,"dropped":%d}'
            % ((server.requests, server.refused, guesses[0] if guesses else 0) + stream)
        )
        if not is_wifi:
            yield ',"%s":%s' % (app.wifi.NAME, json.dumps(app.wifi.state()))

    def _of_dongle(self):
        app, health = self._app, self._app.health
        yield ',"memory":' + _memory()
        yield ',"longest_turn_ms":%d,"task_failures":%s' % (
            app.longest_turn_ms,
            json.dumps(health.failures),
        )
        yield ',"config_problems":' + json.dumps(health.problems)
        if app.cipher:
            counts = app.cipher.good, app.cipher.bad, app.cipher.overflow
            yield ',"frames":{"good":%d,"bad":%d,"overflow":%d}' % counts
        for name, push in app.pushes.items():
            yield ',"%s":%s' % (name, json.dumps(push.state()))
        if self.reason:
            yield ',"reason":' + json.dumps(self.reason)
        age_ms = app.latest.age_ms()
        if age_ms is not None:
            yield ',"telegram_age_ms":%d' % age_ms
        if health.last_failure:
            yield ',"last_failure":' + json.dumps(health.last_failure)
        yield "}"


def _mqtt(mqtt):
    text = (
        '{"connected":%s,"reason":%s,"tls":%s,"connects":%d,"published":%d,"dropped":%d,'
        '"announced":%d'
    ) % (
        "true" if mqtt.connected else "false",
        json.dumps(mqtt.reason),
        "true" if mqtt.tls else "false",
        mqtt.connects,
        mqtt.published,
        mqtt.dropped,
        mqtt.discovery.announced,
    )
    if mqtt.discovery.is_refused:
        text += ',"discovery_problem":' + json.dumps(_refusal(mqtt.discovery))
    return text + "}"


def _refusal(discovery):
    return (
        "the broker refuses subscriptions: what is announced is not announced again when Home "
        "Assistant starts; allow this user to read homeassistant/status and %s/+/p1_%s/+/config"
    ) % (discovery.prefix, discovery.id)


def _memory():
    """In bytes: of the Python heap, which is as large as heap says, what is used and free; of
    IDF's, from which Wi-Fi, sockets and a growth of the Python heap are taken, what is free, the
    largest piece of that, and the least there has been."""
    import esp32  # here, because who only words a report has none

    used, free = gc.mem_alloc(), room.free()
    regions = esp32.idf_heap_info(esp32.HEAP_DATA)  # total, free, largest, least ever of each
    return ('{"used":%d,"free":%d,"heap":%d,"idf_free":%d,"idf_largest":%d,"idf_least":%d}') % (
        used,
        free,
        used + free,
        sum([region[1] for region in regions]),
        room.largest(),
        sum([region[3] for region in regions]),
    )


def _silence(app):
    """Why there is no reading, in words that help."""
    if app.cipher and app.cipher.bad and not app.cipher.good:
        return "encrypted telegrams arrive, but meter.key does not open them"
    if app.port.is_damaged() and app.framer.bad_reason == "overflow":
        return (
            "telegrams have no end within %d bytes: check in which sense the data line arrives; "
            "where /telegram/bad shows the beginning of a telegram, this board has no memory for "
            "so long ones: freeze the firmware in"
        ) % len(app.framer.bad)
    if app.port.is_damaged():
        return (
            "telegrams arrive damaged: check the pull-up on the data line and the cable; "
            "/telegram/bad shows the last one"
        )
    return (
        "no telegram: is the port open at the grid operator, the cable plugged in and the "
        "data request wired as in board.json?"
    )
