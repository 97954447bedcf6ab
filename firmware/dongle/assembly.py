# Creates the parts that every dongle has and connects them. Needed only at the start.

from binascii import unhexlify

import machine
import slots
from p1.framer import Framer

from . import VERSION, chip, forget, room
from .health import Health
from .http.documents import Web
from .http.server import Server
from .latest import Latest
from .meter.port import Port
from .net.uplink import make as make_uplink
from .setup.provision import Provision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Device

TEMPORARY = True  # see forget()


def assemble(app: "Device") -> tuple:
    """Sets the parts of an App; a part that cannot be used is None. Returns the arguments of
    options.add(): the sections of the config that are left, and the board's profile."""
    app.id = chip.number()
    app.hostname = chip.hostname(app.id)
    app.reset_cause = chip.reset_cause()
    app.health = Health()
    config, board = _settings(app)
    app.tcp_port = config.pop("tcp")["port"]
    app.update_url = config.pop("update")["url"]
    system = config.pop("system")
    app.has_watchdog = system["watchdog"]
    if system["cpu_mhz"]:
        machine.freq(system["cpu_mhz"] * 1_000_000)
    app.firmware = _firmware(slots.state or slots.read())
    meter = config.pop("meter")
    app.latest = Latest(meter["country"], app.listener_failed, has_room=room.has, fits=room.fits)
    profile = app.latest.reading.profile
    app.framer = Framer(app.latest.take, profile.has_crc, has_room=room.fits)
    app.cipher = _cipher(meter, app.framer)
    # The port comes first: its ring buffer is in memory that Wi-Fi takes from too.
    app.port = None
    try:
        if board is not None:
            app.port = Port(board, profile.line, app.health)
    except (OSError, ValueError, KeyError, TypeError) as error:
        # Without a port the other parts still start, and they report the problem.
        complain(app, f"{type(error).__name__} {error}")
    board = board or {}
    wifi = config["wifi"]
    app.hostname = wifi["hostname"] or app.hostname
    app.wifi = _uplink(app, wifi, board)
    app.provision = None
    if not board.get("ethernet"):
        # Without Ethernet it is a Wifi.
        button = _button(app, board)
        app.provision = Provision(app, app.wifi, button)  # pyright: ignore[reportArgumentType]
    http = config["http"]
    app.http_port = http["port"]
    app.has_metrics = http["metrics"]
    app.password_hash = http["password_hash"]
    app.web = web = Web(app, http["name"])
    app.server = Server(web.routes, app.health, web.gate, app, http["read_password"])
    return config, board


def _settings(app: "Device"):
    """Returns (config, board.json as a dict, or None if it cannot be read)."""
    from . import config

    forget()  # the other parts need its memory
    settings, app.health.problems = config.load()
    try:
        board = config.load_board()
    except (OSError, ValueError) as error:
        board = None
        complain(app, f"{type(error).__name__} {error}")
    return settings, board


def _uplink(app: "Device", settings, board):
    try:
        return make_uplink(board, settings, app.hostname, app.health)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        complain(app, f"ethernet: {type(error).__name__} {error}")
        return make_uplink({}, settings, app.hostname, app.health)


def _firmware(state):
    """Returns what /health says of the firmware. slot: None if it is frozen into MicroPython."""
    return {
        "version": VERSION,
        "slot": state["slot"] or None,
        "state": "trial" if state["trial"] else "confirmed",
        "result": state["result"],
    }


def complain(app: "Device", text: str) -> None:
    """Reports a problem with board.json."""
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


def _button(app: "Device", board):
    """Returns the pin of the board's button, low while pressed, or None if there is no button."""
    # If there is no port, the problem with board.json is already reported.
    if app.port is None or board.get("button_pin") is None:
        return None
    try:
        return machine.Pin(board["button_pin"], machine.Pin.IN, machine.Pin.PULL_UP)
    except (ValueError, TypeError) as error:
        complain(app, f"button_pin: {error}")
        return None
