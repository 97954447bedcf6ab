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


def assemble(device: "Device") -> tuple:
    """Sets the parts of a Device; a part that cannot be used is None. Returns the arguments of
    options.add(): the sections of the config that are left, and the board's profile."""
    device.id = chip.number()
    device.hostname = chip.hostname(device.id)
    device.reset_cause = chip.reset_cause()
    device.health = Health()
    config, board = _settings(device)
    device.tcp_port = config.pop("tcp")["port"]
    device.update_url = config.pop("update")["url"]
    system = config.pop("system")
    device.has_watchdog = system["watchdog"]
    if system["cpu_mhz"]:
        machine.freq(system["cpu_mhz"] * 1_000_000)
    device.firmware = _firmware(slots.state or slots.read())
    meter = config.pop("meter")
    device.latest = Latest(
        meter["country"], device.listener_failed, has_room=room.has, fits=room.fits
    )
    profile = device.latest.reading.profile
    device.framer = Framer(device.latest.take, profile.has_crc, has_room=room.fits)
    device.cipher = _cipher(meter, device.framer)
    # The port comes first: its ring buffer is in memory that Wi-Fi takes from too.
    device.port = None
    try:
        if board is not None:
            device.port = Port(board, profile.line, device.health)
    except (OSError, ValueError, KeyError, TypeError) as error:
        # Without a port the other parts still start, and they report the problem.
        complain(device, f"{type(error).__name__} {error}")
    board = board or {}
    wifi = config["wifi"]
    device.hostname = wifi["hostname"] or device.hostname
    device.wifi = _uplink(device, wifi, board)
    device.provision = None
    if not board.get("ethernet"):
        # Without Ethernet it is a Wifi.
        button = _button(device, board)
        device.provision = Provision(device, device.wifi, button)  # pyright: ignore[reportArgumentType]
    http = config["http"]
    device.http_port = http["port"]
    device.has_metrics = http["metrics"]
    device.password_hash = http["password_hash"]
    device.web = web = Web(device, http["name"])
    device.server = Server(web.routes, device.health, web.gate, device, http["read_password"])
    return config, board


def _settings(device: "Device"):
    """Returns (config, board.json as a dict, or None if it cannot be read)."""
    from . import config

    forget()  # the other parts need its memory
    settings, device.health.problems = config.load()
    try:
        board = config.load_board()
    except (OSError, ValueError) as error:
        board = None
        complain(device, f"{type(error).__name__} {error}")
    return settings, board


def _uplink(device: "Device", settings, board):
    try:
        return make_uplink(board, settings, device.hostname, device.health)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        complain(device, f"ethernet: {type(error).__name__} {error}")
        return make_uplink({}, settings, device.hostname, device.health)


def _firmware(state):
    """Returns what /health says of the firmware. slot: None if it is frozen into MicroPython."""
    return {
        "version": VERSION,
        "slot": state["slot"] or None,
        "state": "trial" if state["trial"] else "confirmed",
        "result": state["result"],
    }


def complain(device: "Device", text: str) -> None:
    """Reports a problem with board.json."""
    device.health.problems.append(f"board.json: {text}; run `make deploy`")


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


def _button(device: "Device", board):
    """Returns the pin of the board's button, low while pressed, or None if there is no button."""
    # If there is no port, the problem with board.json is already reported.
    if device.port is None or board.get("button_pin") is None:
        return None
    try:
        return machine.Pin(board["button_pin"], machine.Pin.IN, machine.Pin.PULL_UP)
    except (ValueError, TypeError) as error:
        complain(device, f"button_pin: {error}")
        return None
