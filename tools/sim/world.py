# The world outside the chip: what hangs on the RJ12 plug, the Wi-Fi around, the name server, the
# power. The stand-ins look at it and a test turns its knobs; the firmware never imports it.

import json
import os
import sys
from time import sleep, sleep_ms, ticks_add, ticks_diff, ticks_ms

import usocket
from micropython import const

# ---- The board: which pin is the request line and what drives it ----

_OUT = const(3)
_OPEN_DRAIN = const(7)
_RELEASED, _ASSERTED, _GROUNDED = const(0), const(1), const(2)


def _read_board():
    try:
        with open("board.json") as file:
            return json.load(file)
    except OSError:
        return {}


board = _read_board()
# What wiring.py makes of the pins. Where it also names "data_pin", "request_pin", "request_active"
# or "inverter" (a transistor in the data line), the board is wired otherwise than its profile
# says; pin -1 is no pin.
wires = {
    "pull_up": True,  # from the data line to 3.3 V
    "jumper": False,  # from tx to rx
    "grounded": [],  # GPIO numbers
    "request_stuck": False,  # pin 2 is at 5 V for good
    "meter_needs_v": 3.0,  # at pin 2: 4.0 by the standard, and many are content with less
    "uart_inverts": True,
    # ESP-IDF: before 5.4 a UART pulls rx up by itself; since then tx and rx may be one pin.
    "idf": 5.4,
}
wires.update(json.loads(os.getenv("P1_WIRING") or "{}"))
inputs = {board.get("button_pin"): 1}  # GPIO number -> level from outside; 0 = pressed
pads = {}  # GPIO number -> (mode, pull, output latch), kept by machine.Pin and machine.UART
flash_pins = set()  # the trap: pins of the flash chip (6 to 11 of an ESP32) given to a UART
rx_pins = set()  # the pins on which a UART listens
request_grounded = 0  # how often the request line was driven to ground, which is forbidden
_state = _RELEASED


def request_pin():
    """The GPIO at which the request wire ends."""
    return wires.get("request_pin", board.get("request_pin"))


def _request_state():
    drive = board.get("request_drive", "tied")
    if drive == "tied" or wires["request_stuck"]:
        return _ASSERTED
    pin = request_pin()
    mode, _, latch = pads.get(pin, (0, None, 0))
    if pin in wires["grounded"]:
        return _RELEASED
    if drive == "switch":
        active = wires.get("request_active", board.get("request_active", 1))
        return _ASSERTED if mode == _OUT and latch == active else _RELEASED
    if mode in (_OUT, _OPEN_DRAIN) and not latch:
        return _GROUNDED
    # An open drain that is let go is as high-impedance as an input.
    return _ASSERTED if mode == _OUT and wires["meter_needs_v"] <= 3.3 else _RELEASED


def requested():
    """Does the meter see the data request?"""
    return _request_state() == _ASSERTED


def line_driven():
    """Does the meter hold the data line? If not, the pull-up makes it a constant break."""
    return cable is not None and cable.plugged and requested()


def set_pad(number, mode, pull, latch):
    """A pin changed: tell the meter when that changed the request line."""
    global _state, request_grounded
    pads[number] = (mode, pull, latch)
    state = _request_state()
    if state == _state:
        return
    if state == _GROUNDED:
        request_grounded += 1
    if cable is not None and _ASSERTED in (state, _state):
        cable.request(state == _ASSERTED)
    _state = state


# ---- The cable ----

_RETRY_MS = const(1000)


class Cable:
    """A cable in memory: feed() is the meter's transmitter, requests what the meter saw."""

    def __init__(self):
        self.plugged = True
        self.requests = ""
        self._sent = b""

    def feed(self, data):
        self._sent += data

    def readinto(self, buf):
        if not self._sent:
            return 0
        n = min(len(buf), len(self._sent))
        buf[:n] = self._sent[:n]
        self._sent = self._sent[n:]
        return n

    def request(self, asserted):
        self.requests += "1" if asserted else "0"

    def fileno(self):
        return -1


class Plug:
    """The cable to a simulated meter, at tcp:HOST:PORT or on a pty; tried anew each second.

    Upstream goes an ASCII 1 when the request line becomes asserted, 0 when it is released.
    """

    def __init__(self, where):
        self.plugged = False
        self._where = where
        self._end = None
        self._tried_ms = ticks_add(ticks_ms(), -_RETRY_MS)

    def readinto(self, buf):
        """How many bytes came, 0 when none."""
        if not self._open():
            return 0
        try:
            n = self._end.readinto(buf)
        except OSError:
            n = 0
            self.unplug()
        if n == 0 and self._is_tcp():
            self.unplug()  # end of file; a pty without bytes also says 0
        return n or 0

    def request(self, asserted):
        if self._end is None:
            self._open()  # which tells the meter
            return
        try:
            self._end.write(b"1" if asserted else b"0")
        except OSError:
            self.unplug()

    def fileno(self):
        """What becomes readable when bytes come; -1 while there is no such thing."""
        return -1 if self._end is None else self._end.fileno()

    def unplug(self):
        if self._end is not None:
            self._end.close()
        self._end = None
        self.plugged = False

    def _is_tcp(self):
        return self._where.startswith("tcp:")

    def _open(self):
        if self._end is not None:
            return True
        if ticks_diff(ticks_ms(), self._tried_ms) < _RETRY_MS:
            return False
        self._tried_ms = ticks_ms()
        try:
            self._end = self._open_tcp() if self._is_tcp() else self._open_tty()
        except OSError:
            return False
        self.plugged = True
        self.request(requested())
        return self.plugged

    def _open_tcp(self):
        _, host, port = self._where.split(":")
        end = usocket.socket()
        try:
            end.connect(usocket.getaddrinfo(host, int(port))[0][-1])
        except OSError:
            end.close()
            raise
        end.setblocking(False)
        return end

    def _open_tty(self):
        end = open(self._where, "r+b")  # noqa: SIM115
        # A raw line whose reads never wait; `stty` because termios here cannot set VMIN.
        os.system("stty raw -echo min 0 time 0 115200 <'" + self._where + "'")
        return end


cable: Any = Plug(os.getenv("P1_CABLE")) if os.getenv("P1_CABLE") else None

# ---- The Wi-Fi around ----

_NO_AP_FOUND, _WRONG_PASSWORD, _CONNECTING = const(201), const(202), const(1001)


class Radio:
    """The access points in reach and how they treat the dongle. Turn knobs with change()."""

    def __init__(self, networks=None):
        self.networks = networks  # {ssid: password}; None = any name answers, any password fits
        self.neighbours = []  # what a scan finds besides: (name as bytes, rssi, security)
        self.on_air = True  # False = the access points are gone
        self.dhcp = True  # False = associated, but no address
        self.refuse = 0  # else the status with which every station is turned away, e.g. 203
        self.denial = _WRONG_PASSWORD  # how a wrong password ends; by many access points, 15
        self.denial_ms = 0  # how much longer than joining that takes; seconds on the chip
        self.rssi = -60
        self.guests = 0  # that have joined our own access point
        self.join_ms = 1100  # connect and DHCP; 1.1 s on the chip
        self.scan_ms = 2500
        self.wedge_ms = 1000  # connect() sooner than this after disconnect() wedges the driver
        self.hostname: str | None = None  # the name under which the station came up
        self.changed_ms = ticks_ms()

    def change(self, **knobs):
        for name, value in knobs.items():
            setattr(self, name, value)
        self.changed_ms = ticks_ms()

    def fault(self, ssid, key):
        """The status in which joining ends, 0 when it succeeds."""
        if not self.on_air or (self.networks is not None and ssid not in self.networks):
            return _NO_AP_FOUND
        if self.refuse:
            return self.refuse
        if self.networks is not None and self.networks[ssid] != (key or ""):
            return _WRONG_PASSWORD
        return 0 if self.dhcp else _CONNECTING


radio = Radio(json.loads(os.getenv("P1_WIFI") or "null"))


class Wire:
    """The Ethernet cable and the router behind it. Turn knobs with change()."""

    def __init__(self):
        self.plugged = True
        self.dhcp = True  # False = a link, but no address
        self.lease_ms = 1000
        self.phy = (23, 18, 16, 0, 1)  # how it is wired: mdc, mdio, power, clock, address
        self.hostname: str | None = None  # the name under which the interface came up
        self.changed_ms = ticks_ms()

    def change(self, **knobs):
        for name, value in knobs.items():
            setattr(self, name, value)
        self.changed_ms = ticks_ms()


wire = Wire()
interfaces = []  # the WLAN and LAN objects in use, set by network

# Our own access point's address is a loopback address here, and its ports are others: 80 and 53
# are root's. 0: any free one, where nobody finds it.
AP_ADDRESS = "192.168.4.1"
AP_GUEST = "192.168.4.2"  # who calls there
ap_address = os.getenv("P1_AP_ADDRESS") or "127.0.0.1"
ap_ports = {
    80: int(os.getenv("P1_AP_HTTP_PORT") or 0),
    53: int(os.getenv("P1_AP_DNS_PORT") or 0),
}

# ---- Names and sockets ----

names = {}  # host name -> address, before the laptop's own resolver is asked
dns_up = True  # False = the name server does not answer
dns_ms = 0  # how long a look-up of a name blocks; lwIP needs 14 s to give up on two dead servers
# The official firmware's own responder owns UDP 5353; a build without it leaves the port to us.
builtin_mdns = os.getenv("P1_MDNS") != "own"
sockets = 0  # how many are open, counted by socket


def offline():
    """Is there an interface, and no station or cable with an address? Without network nobody
    minds. Our own access point leads nowhere."""
    ways = [way for way in interfaces if getattr(way, "_is_station", True)]
    return bool(interfaces) and not any(way._has_address() for way in ways)


def is_address(host):
    """Whether it is one of IPv4: lwIP asks a name server for all else, for 192.168.1.300 too."""
    parts = host.split(".")
    return len(parts) == 4 and all([part.isdigit() and int(part) < 256 for part in parts])


def look_up(host):
    """The address or name that the laptop shall resolve in the place of `host`."""
    if is_address(host):
        return host
    sleep_ms(dns_ms)
    if offline() or not dns_up:
        raise OSError(-202)  # what lwIP says: EAI_FAIL
    return names.get(host, host)


# ---- Power, reset, watchdog ----

RESET_EXIT = 75  # the exit code of a program that reset its chip: start it again

# RTC RAM survives a reset and not a power cut, so the file named by P1_RTC has content only
# between a reset and the next start. It stays open: the watchdog may not allocate.
_rtc = [None, b""]  # the file, the content of RTC memory
rtc_set = None  # what RTC().datetime() was set to


def _power_up():
    path = os.getenv("P1_RTC")
    if not path:
        return 1
    try:
        with open(path, "rb") as file:
            kept = file.read()
    except OSError:
        kept = b""
    _rtc[0] = open(path, "wb")  # noqa: SIM115
    _rtc[1] = kept[1:]
    return kept[0] if kept else 1


reset_cause = _power_up()


def rtc_memory(data=None):
    if data is None:
        return _rtc[1]
    _rtc[1] = bytes(data)


def _reset(cause):
    _keep(_rtc, bytes((cause,)))
    sys.exit(RESET_EXIT)


def _keep(rtc, cause):
    if rtc[0] is not None:
        rtc[0].write(cause)
        rtc[0].write(rtc[1])


def abort():
    """ESP-IDF cannot go on: it prints where, and starts the chip anew."""
    print("abort() was called")
    reset_hook(2)  # which a panic looks like


reset_hook = _reset  # called with the cause by machine.reset() and soft_reset()

_dog: list = [0, 0]  # timeout in ms, time of the last feeding
# The shell's parent is this very process. SIGALRM ends it wherever it hangs, in viper code too.
_BITE = "echo 'task_wdt: the watchdog was not fed' >&2; kill -ALRM $PPID"


def watch(timeout_ms):
    """Start the watchdog, or change its timeout: nothing stops it."""
    sleeping = not _dog[0]
    _dog[1] = ticks_ms()
    _dog[0] = timeout_ms
    if sleeping:
        import _thread

        _thread.start_new_thread(_guard, (_dog, _rtc, _keep, os.system, sleep, ticks_ms))


def feed():
    _dog[1] = ticks_ms()


def _guard(dog, rtc, keep, system, sleep, ticks_ms):
    # The unix port has no GIL. All this thread touches are its own locals and two lists that never
    # grow, and it allocates nothing, so it neither sees a dictionary in the middle of a rehash nor
    # fails on a heap that the firmware has filled.
    while ticks_ms() - dog[1] < dog[0]:
        sleep(0.02)
    keep(rtc, b"\x03")
    system(_BITE)
