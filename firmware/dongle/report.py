# What /health says, and every minute the broker is told.


def of(app):
    """(what is wrong, or None; all there is to know: an iterable of (name, value), each made when
    it is its turn, because together they would take three kilobytes)."""
    reason = None
    if app.port is None:
        reason = app.health.problems[-1]
    elif app.latest.age_ms() is None:
        reason = _silence(app)
    return reason, _members(app, reason)


def _members(app, reason):
    off = {"connected": False, "reason": "off"}
    framer = app.framer
    yield "status", "error" if reason else "ok"
    yield "id", app.id
    yield "uptime_s", app.health.uptime_ms() // 1000
    yield "firmware", app.firmware
    yield "reset_cause", app.reset_cause
    yield "starts", app.logbook.report()
    yield (
        "telegrams",
        {
            "good": framer.good,
            "crc": framer.crc,
            "overflow": framer.overflow,
            "framing": framer.framing,
        },
    )
    yield "values_rejected", app.latest.rejected
    yield "rearmed", app.port.rearmed if app.port else 0
    yield "wifi", app.wifi.state() if app.wifi.NAME == "wifi" else off
    yield "mqtt", app.mqtt.state() if app.mqtt else off
    yield "mdns", app.mdns.state() if app.mdns else app.mdns_state
    yield (
        "http",
        {
            "requests": app.server.requests,
            "refused": app.server.refused,
            "wrong_passwords": app.auth.wrong if app.auth else 0,
        },
    )
    yield "tcp", {"clients": app.stream.clients(), "dropped": app.stream.dropped}
    yield "memory", app.health.memory()
    yield "longest_turn_ms", app.longest_turn_ms
    yield "task_failures", app.health.failures
    yield "config_problems", app.health.problems
    if app.wifi.NAME != "wifi":
        yield app.wifi.NAME, app.wifi.state()
    if app.cipher:
        good, bad, overflow = app.cipher.good, app.cipher.bad, app.cipher.overflow
        yield "frames", {"good": good, "bad": bad, "overflow": overflow}
    for name, push in app.pushes.items():
        yield name, push.state()
    if reason:
        yield "reason", reason
    age_ms = app.latest.age_ms()
    if age_ms is not None:
        yield "telegram_age_ms", age_ms
    if app.health.last_failure:
        yield "last_failure", app.health.last_failure


def _silence(app):
    """Why there is no reading, in words that help."""
    if app.cipher and app.cipher.bad and not app.cipher.good:
        return "encrypted telegrams arrive, but meter.key does not open them"
    if app.port.is_damaged():
        return (
            "telegrams arrive damaged: check the pull-up on the data line and the cable; "
            "/telegram/bad shows the last one"
        )
    return (
        "no telegram: is the port open at the grid operator, the cable plugged in and the "
        "data request wired as in board.json?"
    )
