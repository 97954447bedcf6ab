# Makes the parts of the dongle that its config asks for, and hands each what it needs of the
# others. Only a start needs this.

from binascii import unhexlify

import machine
import slots
from p1.framer import Framer

from . import VERSION, forget
from .dns import Resolver
from .health import Health
from .http import BODY_BYTES, Later, Server
from .latest import Latest
from .port import Port
from .provision import Provision
from .request import for_names
from .stream import Stream
from .uplink import make as make_uplink
from .web import Web

_PINS = ("rx_pin", "tx_pin", "request_pin", "led_pin")


def assemble(app):
    """Gives an App its parts; None stands for one that is off or cannot be."""
    app.health = Health()
    config, board = _settings(app)
    app.http_port, app.tcp_port = config["http"]["port"], config["tcp"]["port"]
    app.update_url = config["update"]["url"]
    app.has_watchdog = config["system"]["watchdog"]
    app.firmware = _firmware(slots.state or slots.read())
    if config["system"]["cpu_mhz"]:
        machine.freq(config["system"]["cpu_mhz"] * 1_000_000)
    app.latest = Latest(config["meter"]["country"], app.listener_failed)
    profile = app.latest.reading.profile
    app.framer = Framer(app.latest.take, profile.has_crc)
    app.cipher = _cipher(config["meter"], app.framer)
    # The port first: its ring is taken from memory that Wi-Fi wants too.
    app.port = None
    try:
        if board is not None:
            app.port = Port(board, profile.line, app.health)
    except (OSError, ValueError, KeyError, TypeError) as error:
        # Without a port the rest still comes up and says so.
        _complain(app, f"{type(error).__name__} {error}")
    board = board or {}
    wifi = config["wifi"]
    hostname = wifi["hostname"] or app.hostname
    app.wifi = _uplink(app, wifi, hostname, board)
    app.provision = None
    if not board.get("ethernet"):
        app.provision = Provision(app, _button(app, board), hostname)
    app.resolver = Resolver()
    app.capacity = _capacity(app, config)
    app.mqtt = _mqtt(app, config)
    app.mdns = _mdns(app, config, hostname)
    app.stream = Stream(app.latest, app.health, app.wifi.trust)
    app.pushes = _pushes(app, config)
    app.relay = _relay(app, config["quarter"], board)
    web = Web(app.latest, app.framer, app.report, app.why, app.capacity)
    if config["homewizard"]["enabled"]:
        web.routes.update(_homewizard(app, wifi["ssid"], board))  # pyright: ignore[reportArgumentType, reportCallIssue]
    if app.capacity and config["history"]["enabled"]:
        web.routes[b"/history"] = _history(app).view
    if config["http"]["metrics"]:
        web.routes[b"/metrics"] = app.metrics
    web.routes.update(_owners(app))  # pyright: ignore[reportArgumentType, reportCallIssue]
    app.password_hash = config["http"]["password_hash"]
    gate = for_names("localhost", hostname, config["http"]["name"])
    asks_readers = config["http"]["read_password"]
    app.server = Server(
        web.routes, app.health, gate, app.refuse, asks_readers, reached=app.wifi.trust
    )


def _settings(app):
    """(config, what board.json says or None where it cannot be read)."""
    from . import config

    settings, app.health.problems = config.load()
    try:
        board = config.load_board()
    except (OSError, ValueError) as error:
        board = None
        _complain(app, f"{type(error).__name__} {error}")
    forget("dongle.config")  # all else still needs its room
    return settings, board


def _uplink(app, settings, hostname, board):
    try:
        return make_uplink(board, settings, hostname, app.health)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _complain(app, f"ethernet: {type(error).__name__} {error}")
        return make_uplink({}, settings, hostname, app.health)


def _firmware(state):
    """What runs, for /health. slot: None for what is frozen into MicroPython."""
    return {
        "version": VERSION,
        "slot": state["slot"] or None,
        "state": "trial" if state["trial"] else "confirmed",
        "result": state["result"],
    }


def _complain(app, text):
    app.health.problems.append(f"board.json: {text}; run `make deploy`")


def _cipher(settings, framer):
    if not settings["key"]:
        return None
    from p1.cipher import DEFAULT_AUTHENTICATION_KEY, Cipher

    second = settings["authentication_key"]
    return Cipher(
        unhexlify(settings["key"]),
        unhexlify(second) if second else DEFAULT_AUTHENTICATION_KEY,
        framer.feed,
    )


def _capacity(app, config):
    if not config["quarter"]["enabled"]:
        return None
    from .capacity import Capacity

    return Capacity(config["quarter"], app.latest, app.why)


def _history(app):
    from .history import History

    return History(app.latest, app.capacity.quarter, app.why)


def _relay(app, settings, board):
    pin = settings["relay_pin"]
    # Without a port what is wrong with board.json is said already.
    if pin < 0 or app.capacity is None or app.port is None:
        return None
    from .relay import Relay

    taken = [board.get(name) for name in _PINS]
    is_low = not settings["relay_active"]
    try:
        if pin in taken:
            raise ValueError("the board uses this pin")
        signal = machine.Signal(machine.Pin(pin, machine.Pin.OUT, value=is_low), invert=is_low)
    except (ValueError, TypeError) as error:
        app.health.problems.append(f"quarter.relay_pin: {pin}: {error}")
        return None
    return Relay(signal, app.latest, app.capacity.quarter)


def _mqtt(app, config):
    settings = config["mqtt"]
    if not settings["host"]:
        return None
    from .discovery import Discovery
    from .mqtt import Mqtt

    discovery = Discovery(config, app.id, app.latest, app.wifi, app.health, app.capacity)
    more = []  # that goes out with each reading
    if settings["telegram"]:
        from .telegrams import Telegrams

        more.append(Telegrams(discovery.base + b"telegram"))
    if settings["dsmr_reader_topics"]:
        from .dsmr_topics import DsmrTopics

        more.append(DsmrTopics(settings["swap_tariffs"]))
    return Mqtt(
        settings,
        app.latest,
        app.wifi,
        app.resolver,
        app.health,
        app.report,
        discovery,
        _tls(app, settings),
        app.capacity,
        more,
    )


def _tls(app, settings):
    if not settings["tls"]:
        return None
    from .clock import Clock
    from .tls import Tls

    clock = Clock(app.latest, app.health, machine.RTC().datetime)
    return Tls(settings["ca"], settings["host"], clock)


def _mdns(app, config, hostname):
    if not config["mdns"]["enabled"]:
        return None
    from .mdns import Mdns

    has_homewizard = config["homewizard"]["enabled"]
    return Mdns(app.http_port, has_homewizard, hostname, app.id, app.wifi, app.health)


def _homewizard(app, ssid, board):
    """The routes of HomeWizard's API."""
    from .homewizard import Api

    return Api(app.latest, app.id, ssid, app.wifi.rssi_dbm, _led(app, board)).routes


def _led(app, board):
    """The board's LED, with on() and off(); None where it has none."""
    from . import led

    try:
        # Without a port what is wrong with board.json is said already.
        return led.find(board) if app.port else None
    except (ValueError, TypeError) as error:
        _complain(app, f"led_pin: {error}")
        return None


def _owners(app):
    """The routes that are the owner's."""
    post = Later((b"POST",), app.owner)
    update = Later((b"POST",), app.owner, None)  # may take minutes  # pyright: ignore[reportArgumentType]
    return {
        b"/config": Later((b"GET", b"POST"), app.owner, 2 * BODY_BYTES),
        b"/identify": post,
        b"/restart": post,
        b"/update": update,
        b"/update/pull": update,
    }


def _button(app, board):
    """The board's button, low while it is pressed; None where it has none."""
    # Without a port what is wrong with board.json is said already.
    if app.port is None or board.get("button_pin") is None:
        return None
    try:
        return machine.Pin(board["button_pin"], machine.Pin.IN, machine.Pin.PULL_UP)
    except (ValueError, TypeError) as error:
        _complain(app, f"button_pin: {error}")
        return None


def _pushes(app, config):
    """What is pushed, by its section in the config."""
    pushes = {}
    rest = app.resolver, app.latest, app.wifi, app.health
    if config["influx"]["url"]:
        from .influx import Influx

        pushes["influx"] = Influx(config["influx"], *rest)
    if config["dsmr_reader"]["url"]:
        from .dsmr_reader import DsmrReader

        pushes["dsmr_reader"] = DsmrReader(config["dsmr_reader"], *rest)
    return pushes
