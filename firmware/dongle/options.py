# Creates the optional parts that the config switches on, after assembly.py has created the others.
# The most important parts come first. A part without enough memory is left out and reported.
# Needed only at the start.

import errno
import gc
import sys

from micropython import const

import machine

from . import forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Device

TEMPORARY = True  # see forget()

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


def add(device: "Device", config: dict, board: dict) -> None:
    """Sets the optional parts of a Device; a part that is off or cannot be used is None. config,
    board: as assembly.assemble() returns them; takes the sections out of config."""
    device.resolver = device.capacity = device.mqtt = device.stream = device.relay = None
    device.pushes = {}
    _try(device, "quarter", _capacity, config["quarter"])
    more = []  # what else MQTT publishes with each reading
    _try(device, "mqtt", _mqtt, (config, more))
    if device.mqtt and config["mqtt"]["dsmr_reader_topics"]:
        swaps = config["mqtt"]["swap_tariffs"]
        _try(device, "mqtt.dsmr_reader_topics", _topics, (more, swaps))
    ssid = config.pop("wifi")["ssid"]
    for section in ("mqtt", "homeassistant", "http"):
        del config[section]
    gc.collect()
    if device.tcp_port:
        _try(device, "tcp", _stream, None)
    has_homewizard = config.pop("homewizard")["enabled"]
    if has_homewizard:
        _try(device, "homewizard", _homewizard, (ssid, board))
    for name, make in (("influx", _influx), ("dsmr_reader", _dsmr_reader)):
        settings = config.pop(name)
        if settings["url"]:
            _try(device, name, make, settings)
    # If there is no port, the problem with board.json is already reported.
    if config["quarter"]["relay_pin"] >= 0 and device.capacity and device.port:
        _try(device, "relay", _relay, (config["quarter"], board))
    if config.pop("mdns")["enabled"]:
        _try(device, "mdns", _mdns, has_homewizard)
    if config.pop("history")["enabled"] and device.capacity:
        _try(device, "history", _history, None)
    for problem in device.health.problems:
        device.health.say("config: " + problem)


def _try(device: "Device", name, make, settings):
    """Creates a part if there is memory for it; else forgets the modules that came with it."""
    there = tuple(sys.modules)
    gc.collect()
    missing = _NEEDS.get(name, 0) + _USUAL - gc.mem_free()
    if name in _NEEDS and sys.platform == "esp32" and missing > 0:
        more = (missing + 999) // 1000
        device.health.problems.append(f"{name}: needs {more} kB more than this board has; {_FIX}")
        return
    listeners = device.latest.listeners
    count = len(listeners)
    try:
        make(device, settings)
        return
    except MemoryError:
        pass
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
    # Removes what the failed attempt has left.
    del listeners[count:]
    device.health.problems.append(f"{name}: {_NO_MEMORY}")
    forget(*[each for each in sys.modules if each.startswith("dongle.") and each not in there])


def _resolver(device: "Device"):
    if device.resolver is None:
        from .net.dns import Resolver

        device.resolver = Resolver()
    return device.resolver


def _capacity(device: "Device", settings):
    if not settings["enabled"]:
        return
    from .meter.capacity import Capacity

    device.capacity = Capacity(settings, device.latest)
    device.server.routes[b"/quarter"] = device.web.quarter


def _history(device: "Device", _):
    from .meter.history import History

    device.history = History(device.latest, device.capacity.quarter)
    device.server.routes[b"/history"] = device.web.history


def _stream(device: "Device", _):
    from .stream import Stream

    device.stream = Stream(device.latest, device.health, device.wifi.trust)


def _relay(device: "Device", settings_and_board):
    from .meter.relay import Relay

    settings, board = settings_and_board
    pin, is_low = settings["relay_pin"], not settings["relay_active"]
    try:
        if pin in [board.get(name) for name in _PINS]:
            raise ValueError("the board uses this pin")
        signal = machine.Signal(machine.Pin(pin, machine.Pin.OUT, value=is_low), invert=is_low)
    except (ValueError, TypeError) as error:
        device.health.problems.append(f"quarter.relay_pin: {pin}: {error}")
        return
    device.relay = Relay(signal, device.latest, device.capacity.quarter)


def _mqtt(device: "Device", config_and_more):
    config, more = config_and_more
    settings = config["mqtt"]
    if not settings["host"]:
        return
    from .mqtt.discovery import Discovery
    from .mqtt.session import Mqtt

    discovery = Discovery(
        config, device.id, device.latest, device.wifi, device.health, device.capacity
    )
    if settings["telegram"]:
        from .mqtt.telegrams import Telegrams

        more.append(Telegrams(discovery.base + b"telegram"))
    device.mqtt = Mqtt(
        settings=settings,
        latest=device.latest,
        wifi=device.wifi,
        resolver=_resolver(device),
        health=device.health,
        health_report=device.report,
        discovery=discovery,
        tls=_tls(device, settings),
        capacity=device.capacity,
        more=more,
    )


def _topics(device: "Device", more_and_swaps):
    from .mqtt.dsmr_topics import DsmrTopics

    more, swaps = more_and_swaps
    more.append(DsmrTopics(swaps))


def _tls(device: "Device", settings):
    if not settings["tls"]:
        return None
    from .meter.clock import Clock
    from .mqtt.tls import Tls

    clock = Clock(device.latest, device.health, machine.RTC().datetime)
    return Tls(settings["ca"], settings["host"], clock)


def _mdns(device: "Device", has_homewizard):
    from .net.mdns import Mdns

    forget()
    device.mdns = Mdns(
        device.http_port, has_homewizard, device.hostname, device.id, device.wifi, device.health
    )


def _homewizard(device: "Device", ssid_and_board):
    from .http.homewizard import Api

    ssid, board = ssid_and_board
    api = Api(device.latest, device.id, ssid, device.wifi.rssi_dbm, _led(device, board))
    device.server.routes.update(api.routes)


def _led(device: "Device", board):
    """Returns the board's LED, with on() and off(), or None if it has none."""
    from . import led

    forget()
    try:
        # If there is no port, the problem with board.json is already reported.
        return led.find(board) if device.port else None
    except (ValueError, TypeError) as error:
        device.health.problems.append(f"board.json: led_pin: {error}; run `make deploy`")
        return None


def _influx(device: "Device", settings):
    from .push.influx import Influx

    rest = _resolver(device), device.latest, device.wifi, device.health
    device.pushes["influx"] = Influx(settings, *rest)


def _dsmr_reader(device: "Device", settings):
    from .push.dsmr_reader import DsmrReader

    rest = _resolver(device), device.latest, device.wifi, device.health
    device.pushes["dsmr_reader"] = DsmrReader(settings, *rest)
