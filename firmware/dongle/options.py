# Creates the optional parts that the config switches on, after assembly.py has created the others.
# The most important parts come first. A part without enough memory is left out and reported.
# Needed only at the start.

import errno
import gc
import sys

from micropython import const

import machine

from . import forget

_FIX = "freeze the firmware in, or use a board with PSRAM (boards/README.md)"
_NO_MEMORY = "this board has too little memory for it; " + _FIX
# Bytes of the Python heap, measured by tools/soak/census.py: what the large parts take, and what
# the rest of the usual configuration takes in addition, with its temporary objects.
_NEEDS = {
    "homewizard": 13_000,
    "influx": 15_400,
    "dsmr_reader": 9_900,
    "mqtt.dsmr_reader_topics": 6_000,
}
_USUAL = const(34_000)
_PINS = ("rx_pin", "tx_pin", "request_pin", "led_pin")


def add(app, config: dict, board: dict) -> None:
    """Sets the optional parts of an App; a part that is off or cannot be used is None. config,
    board: as assembly.assemble() returns them; takes the sections out of config."""
    app.resolver = app.capacity = app.mqtt = app.stream = app.relay = None
    app.pushes = {}
    _try(app, "quarter", _capacity, config["quarter"], "dongle.meter.capacity")
    more = []  # what else MQTT publishes with each reading
    with_mqtt = (
        "dongle.mqtt.session",
        "dongle.mqtt.telegrams",
        "dongle.mqtt.tls",
        "dongle.meter.clock",
    )
    _try(app, "mqtt", _mqtt, (config, more), *with_mqtt)
    if app.mqtt and config["mqtt"]["dsmr_reader_topics"]:
        swaps = config["mqtt"]["swap_tariffs"]
        _try(app, "mqtt.dsmr_reader_topics", _topics, (more, swaps), "dongle.mqtt.dsmr_topics")
    ssid = config.pop("wifi")["ssid"]
    for section in ("mqtt", "homeassistant", "http"):
        del config[section]
    gc.collect()
    if app.tcp_port:
        _try(app, "tcp", _stream, None)
    has_homewizard = config.pop("homewizard")["enabled"]
    if has_homewizard:
        _try(app, "homewizard", _homewizard, (ssid, board), "dongle.http.homewizard")
    for name, make in (("influx", _influx), ("dsmr_reader", _dsmr_reader)):
        settings = config.pop(name)
        if settings["url"]:
            _try(app, name, make, settings, "dongle." + name)
    # If there is no port, the problem with board.json is already reported.
    if config["quarter"]["relay_pin"] >= 0 and app.capacity and app.port:
        _try(app, "relay", _relay, (config["quarter"], board), "dongle.meter.relay")
    if config.pop("mdns")["enabled"]:
        _try(app, "mdns", _mdns, has_homewizard, "dongle.net.mdns")
    if config.pop("history")["enabled"] and app.capacity:
        _try(app, "history", _history, None, "dongle.meter.history")


def _try(app, name, make, settings, *modules):
    """Creates a part if there is memory for it. modules: forgotten again if there is not."""
    gc.collect()
    missing = _NEEDS.get(name, 0) + _USUAL - gc.mem_free()
    if name in _NEEDS and sys.platform == "esp32" and missing > 0:
        more = (missing + 999) // 1000
        app.health.problems.append(f"{name}: needs {more} kB more than this board has; {_FIX}")
        return
    listeners = app.latest.listeners
    count = len(listeners)
    try:
        make(app, settings)
        return
    except MemoryError:
        pass
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
    # Removes what the failed attempt has left.
    del listeners[count:]
    app.health.problems.append(f"{name}: {_NO_MEMORY}")
    forget(*modules)
    gc.collect()


def _resolver(app):
    if app.resolver is None:
        from .net.dns import Resolver

        app.resolver = Resolver()
    return app.resolver


def _capacity(app, settings):
    if not settings["enabled"]:
        return
    from .meter.capacity import Capacity

    app.capacity = Capacity(settings, app.latest)
    app.server.routes[b"/quarter"] = app.web.quarter


def _history(app, _):
    from .meter.history import History

    app.history = History(app.latest, app.capacity.quarter)
    app.server.routes[b"/history"] = app.web.history


def _stream(app, _):
    from .stream import Stream

    app.stream = Stream(app.latest, app.health, app.wifi.trust)


def _relay(app, settings_and_board):
    from .meter.relay import Relay

    settings, board = settings_and_board
    pin, is_low = settings["relay_pin"], not settings["relay_active"]
    try:
        if pin in [board.get(name) for name in _PINS]:
            raise ValueError("the board uses this pin")
        signal = machine.Signal(machine.Pin(pin, machine.Pin.OUT, value=is_low), invert=is_low)
    except (ValueError, TypeError) as error:
        app.health.problems.append(f"quarter.relay_pin: {pin}: {error}")
        return
    app.relay = Relay(signal, app.latest, app.capacity.quarter)


def _mqtt(app, config_and_more):
    config, more = config_and_more
    settings = config["mqtt"]
    if not settings["host"]:
        return
    from .mqtt.discovery import Discovery
    from .mqtt.session import Mqtt

    discovery = Discovery(config, app.id, app.latest, app.wifi, app.health, app.capacity)
    if settings["telegram"]:
        from .mqtt.telegrams import Telegrams

        more.append(Telegrams(discovery.base + b"telegram"))
    app.mqtt = Mqtt(
        settings=settings,
        latest=app.latest,
        wifi=app.wifi,
        resolver=_resolver(app),
        health=app.health,
        health_report=app.report,
        discovery=discovery,
        tls=_tls(app, settings),
        capacity=app.capacity,
        more=more,
    )


def _topics(app, more_and_swaps):
    from .mqtt.dsmr_topics import DsmrTopics

    more, swaps = more_and_swaps
    more.append(DsmrTopics(swaps))


def _tls(app, settings):
    if not settings["tls"]:
        return None
    from .meter.clock import Clock
    from .mqtt.tls import Tls

    clock = Clock(app.latest, app.health, machine.RTC().datetime)
    return Tls(settings["ca"], settings["host"], clock)


def _mdns(app, has_homewizard):
    from .net.mdns import Mdns

    app.mdns = Mdns(app.http_port, has_homewizard, app.hostname, app.id, app.wifi, app.health)


def _homewizard(app, ssid_and_board):
    from .http.homewizard import Api

    ssid, board = ssid_and_board
    api = Api(app.latest, app.id, ssid, app.wifi.rssi_dbm, _led(app, board))
    app.server.routes.update(api.routes)


def _led(app, board):
    """Returns the board's LED, with on() and off(), or None if it has none."""
    from . import led

    try:
        # If there is no port, the problem with board.json is already reported.
        return led.find(board) if app.port else None
    except (ValueError, TypeError) as error:
        app.health.problems.append(f"board.json: led_pin: {error}; run `make deploy`")
        return None


def _influx(app, settings):
    from .push.influx import Influx

    rest = _resolver(app), app.latest, app.wifi, app.health
    app.pushes["influx"] = Influx(settings, *rest)


def _dsmr_reader(app, settings):
    from .push.dsmr_reader import DsmrReader

    rest = _resolver(app), app.latest, app.wifi, app.health
    app.pushes["dsmr_reader"] = DsmrReader(settings, *rest)
