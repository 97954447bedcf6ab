# network: the station, the access point and the Ethernet of an ESP32, without threads. What radio
# and cable did since the last look is worked out from the clock when the program asks.

import os as _os
from binascii import unhexlify as _unhexlify
from time import sleep_ms as _sleep_ms
from time import ticks_diff as _ticks_diff
from time import ticks_ms as _ticks_ms

from micropython import const as _const

import memory as _memory
import world as _world

STA_IF = 0
AP_IF = 1

STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_BEACON_TIMEOUT = 200
STAT_NO_AP_FOUND = 201
STAT_WRONG_PASSWORD = 202
STAT_ASSOC_FAIL = 203
STAT_CONNECT_FAIL = 203
STAT_HANDSHAKE_TIMEOUT = 204
STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY = 210
STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD = 211
STAT_NO_AP_FOUND_IN_RSSI_THRESHOLD = 212
_STAT_CONNECTION_FAIL = _const(205)

PHY_LAN8710, PHY_LAN8720, PHY_IP101, PHY_RTL8201, PHY_DP83848, PHY_KSZ8041, PHY_KSZ8081 = range(7)
ETH_INITIALIZED, ETH_STARTED, ETH_STOPPED, ETH_CONNECTED, ETH_DISCONNECTED, ETH_GOT_IP = range(6)

AUTH_OPEN = 0
AUTH_WPA2_PSK = 3
AUTH_WPA_WPA2_PSK = 4
AUTH_WPA2_WPA3_PSK = 7

_LEFT = _const(8)  # IDF's reason after a disconnect() of our own
_NOWHERE = ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")
_LOCAL = ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")
_OWN = (_world.AP_ADDRESS, "255.255.255.0", _world.AP_ADDRESS, _world.AP_ADDRESS)

# Reasons that status() shows while the driver tries again; all others are "connecting" then.
_SHOWN = (
    STAT_NO_AP_FOUND,
    STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY,
    STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD,
    STAT_NO_AP_FOUND_IN_RSSI_THRESHOLD,
    STAT_WRONG_PASSWORD,
)

_AP_ONLY = ("ssid", "hidden", "security", "key", "max_clients")
_OLD_NAMES = {"essid": "ssid", "authmode": "security", "password": "key"}

_hostname = "mpy-esp32"
_country = "XX"
_interfaces = {}


_driver = []  # its memory, once it runs


@_memory.outside
def _start_driver():
    if not _driver:
        blocks = _memory.take_pieces(_memory.chip["wlan"])
        if blocks is None:
            raise OSError("WiFi Out of Memory")
        _driver.append(blocks)


class WLAN:
    IF_STA = 0
    IF_AP = 1
    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2
    SEC_OPEN = 0
    SEC_WPA2 = 3
    SEC_WPA_WPA2 = 4
    SEC_WPA2_WPA3 = 7

    def __new__(cls, interface=STA_IF):
        if interface not in (STA_IF, AP_IF):
            raise ValueError("invalid WLAN interface identifier")
        if interface not in _interfaces:
            _start_driver()
            wlan = _interfaces[interface] = super().__new__(cls)
            wlan._power_up(interface)
            _world.interfaces.append(wlan)
        return _interfaces[interface]

    @_memory.outside
    def _power_up(self, interface):
        self._blocks = {}  # of memory, by what they are for
        self._is_station = interface == STA_IF
        self._active = False
        self._wanted = False  # connect() was called and not taken back
        self._up = False
        self._wedged = False
        self._reason = 0  # why the link failed or ended, until there is an address
        self._ssid = self._key = None
        self._since_ms = 0
        self._left_ms = None
        mac = bytearray(_unhexlify(_os.getenv("P1_ID") or "02000000002a"))
        mac[5] = (mac[5] + interface) & 0xFF
        self._settings = {"mac": bytes(mac), "channel": 6, "txpower": 20, "protocol": 7}
        self._settings["pm"] = WLAN.PM_PERFORMANCE
        if self._is_station:
            self._settings["reconnects"] = -1
        else:
            ssid = "ESP_%02X%02X%02X" % tuple(mac[3:])
            self._settings.update({"ssid": ssid, "max_clients": 4, "hidden": False})
            self._settings.update({"security": AUTH_OPEN, "key": ""})

    def active(self, on=None):
        if on is None:
            return self._active
        if on and not self._active:
            if not _memory.has(_memory.chip["calibration"]):
                print("failed to allocate memory for RF calibration data")
                _world.abort()
            if not self._holds("active"):
                raise OSError("WiFi Out of Memory")
        elif not on:
            self._lets_go()
        self._active = bool(on)
        if self._active:
            _world.radio.hostname = _hostname
        else:
            self._up = self._wanted = self._wedged = False
        return self._active

    def connect(self, ssid=None, key=None, *, bssid=None):
        self._require_station()
        self._require_started()
        if self._wanted and not self._joined():
            raise OSError("Wifi Internal State Error")  # an attempt is under way
        if ssid is not None:
            self._ssid, self._key = _text(ssid), _text(key)
        now = _ticks_ms()
        # Seen on the chip: right after disconnect() the driver answers 202 from then on, until
        # the interface goes down. A rest avoids it.
        if self._left_ms is not None and _ticks_diff(now, self._left_ms) < _world.radio.wedge_ms:
            self._wedged = True
        self._since_ms = now
        self._wanted = True
        self._up = False

    def disconnect(self):
        self._require_station()
        self._require_started()
        if self._wanted:
            self._reason = _LEFT
        self._wanted = self._up = False
        self._left_ms = _ticks_ms()

    def isconnected(self):
        return self._joined() if self._is_station else bool(self.status("stations"))

    def status(self, param=None):
        if param == "rssi":
            self._require_station()
            if not self._joined() and not self._is_associated():
                raise OSError("Wifi Not Connected")
            return _world.radio.rssi
        if param == "stations":
            self._require_access_point()
            guests = _world.radio.guests if self._active else 0
            return [(bytes((2, 0, 0, 0, 0, number)),) for number in range(guests)]
        if param is not None:
            raise ValueError("unknown status param")
        if not self._is_station:
            return None
        if self._joined():
            return STAT_GOT_IP
        # As network_wlan.c has it: what an earlier attempt ended in shows until another reason
        # takes its place, also while the next attempt is under way.
        if self._reason in _SHOWN:
            return self._reason
        if self._reason == _STAT_CONNECTION_FAIL:
            return STAT_WRONG_PASSWORD
        if self._reason == _LEFT:
            return STAT_IDLE
        return STAT_CONNECTING if self._wanted else self._reason or STAT_IDLE

    def scan(self):
        self._require_station()
        if not self._active:
            raise OSError("STA must be active")
        radio = _world.radio
        if self._wanted and not self._joined():
            return []  # the driver is busy: no error, nothing found
        _sleep_ms(radio.scan_ms)
        if not radio.on_air:
            return []
        found = {"simulated": ""} if radio.networks is None else radio.networks
        seen = [(name.encode(), radio.rssi, 3 if key else 0) for name, key in found.items()]
        return [
            (name, b"\x02\0\0\0\0\x01", 6, rssi, security, False)
            for name, rssi, security in seen + radio.neighbours
        ]

    def config(self, *query, **settings):
        if query and settings:
            raise TypeError("either pos or kw args are allowed")
        if not settings:
            return self._setting(query)
        for name, value in settings.items():
            if name in ("hostname", "dhcp_hostname"):
                hostname(value)
                continue
            self._settings[self._check(name)] = value
        if self._is_station and self._wanted and not self._joined():
            raise OSError("Wifi Internal State Error")  # since IDF 5.5; what was set counts

    def ifconfig(self, config=None):
        if config is None:
            if not self._has_address():
                return _NOWHERE
            return _LOCAL if self._is_station else _OWN

    def ipconfig(self, query=None, **settings):
        if query is None:
            if any(name not in ("addr4", "gw4", "dhcp4") for name in settings):
                raise ValueError("unexpected key")
        elif query == "addr4":
            return self.ifconfig()[:2]
        elif query == "gw4":
            return self.ifconfig()[2]
        elif query in ("dhcp4", "has_dhcp4"):
            return self._is_station and (query == "dhcp4" or self._has_address())
        else:
            raise ValueError("unexpected key")

    def _setting(self, query):
        if len(query) != 1:
            raise TypeError("can query only one param")
        name = query[0]
        if name in ("hostname", "dhcp_hostname"):
            return _hostname
        if name in ("ssid", "essid") and self._is_station:
            return self._ssid or ""
        if name in ("key", "password"):
            raise ValueError("unknown config param")  # written, never read
        return self._settings[self._check(name)]

    def _check(self, name):
        name = _OLD_NAMES.get(name, name)
        if name == "reconnects":
            self._require_station()
        elif name in _AP_ONLY:
            self._require_access_point()
        elif name not in self._settings:
            raise ValueError("unknown config param")
        return name

    def _has_address(self):
        return self._joined() if self._is_station else self._active

    def _joined(self):
        # The driver tries again for ever once connect() was called, unless told a number.
        if not self._wanted:
            return False
        radio = _world.radio
        fault = STAT_WRONG_PASSWORD if self._wedged else radio.fault(self._ssid, self._key)
        if self._up and not fault:
            return True
        if self._up:
            self._up = False
            self._reason = STAT_BEACON_TIMEOUT
            self._since_ms = radio.changed_ms
        if _ticks_diff(radio.changed_ms, self._since_ms) > 0:
            self._since_ms = radio.changed_ms
        tried_ms = _ticks_diff(_ticks_ms(), self._since_ms)
        attempt_ms = radio.join_ms
        if fault == STAT_WRONG_PASSWORD and not self._wedged:
            attempt_ms += radio.denial_ms
            fault = radio.denial
        if tried_ms < attempt_ms or fault == STAT_CONNECTING:
            return False
        if fault:
            self._reason = fault
            retries = self._settings["reconnects"]
            self._wanted = retries < 0 or tried_ms < attempt_ms * (retries + 1)
            return False
        if not self._holds("connected"):
            return False  # neither DHCP's nor anybody's packets are received
        self._up = True
        self._reason = 0
        return True

    @_memory.outside
    def _holds(self, what):
        """Takes the memory that belongs to this, if there is any."""
        if self._blocks.get(what) is None:
            self._blocks[what] = _memory.take_pieces(_memory.chip[what])
        return self._blocks[what] is not None

    def _lets_go(self):
        for what in self._blocks:
            _memory.give_pieces(self._blocks[what])
            self._blocks[what] = None

    def _is_associated(self):
        """Is it in the network, without an address?"""
        radio = _world.radio
        tried_ms = _ticks_diff(_ticks_ms(), self._since_ms)
        is_in = self._wanted and radio.fault(self._ssid, self._key) == STAT_CONNECTING
        return is_in and tried_ms >= radio.join_ms

    def _require_started(self):
        if not self._active:
            raise OSError("Wifi Not Started")

    def _require_station(self):
        if not self._is_station:
            raise OSError("STA required")

    def _require_access_point(self):
        if self._is_station:
            raise OSError("AP required")


class LAN:
    """A PHY on the ESP32's own Ethernet. Whoever asks for it again gets the one there is, whatever
    the arguments; it and its state outlive a soft reset."""

    def __new__(
        cls,
        id=None,
        *,
        phy_addr,
        phy_type,
        mdc=None,
        mdio=None,
        reset=None,
        power=None,
        ref_clk_mode=-1,
        ref_clk=None,
    ):
        if LAN in _interfaces:
            return _interfaces[LAN]
        if id not in (None, 0):
            raise ValueError("invalid LAN interface identifier")
        if not 0 <= phy_addr <= 31:
            raise ValueError("invalid phy address")
        if not 0 <= phy_type <= PHY_KSZ8081:
            raise ValueError("invalid phy type")
        if _world.board.get("chip", "esp32") != "esp32":
            raise OSError("esp_eth_driver_install failed with invalid argument")
        if mdc is None or mdio is None:
            raise ValueError("mdc and mdio must be specified")
        pins = [None if pin is None else pin._number for pin in (mdc, mdio, power, ref_clk)]
        if tuple(pins) + (phy_addr,) != _world.wire.phy or ref_clk_mode != 1:
            raise OSError("esp_eth_driver_install failed")  # the PHY does not answer
        lan = _interfaces[LAN] = super().__new__(cls)
        lan._active = False
        lan._since_ms = 0
        lan._was_up = False  # whether there has been a link since it was switched on
        _world.interfaces.append(lan)
        return lan

    def active(self, on=None):
        if on is not None and bool(on) != self._active:
            self._active = bool(on)
            self._was_up = False
            self._since_ms = _ticks_ms()
            _world.wire.hostname = _hostname
        return self._active

    def isconnected(self):
        return self._active and self.status() == ETH_GOT_IP

    def status(self):
        wire = _world.wire
        if not self._active:
            return ETH_STOPPED if self._since_ms else ETH_INITIALIZED
        if not wire.plugged:
            return ETH_DISCONNECTED if self._was_up else ETH_STARTED
        self._was_up = True
        if _ticks_diff(wire.changed_ms, self._since_ms) > 0:
            self._since_ms = wire.changed_ms
        waited_ms = _ticks_diff(_ticks_ms(), self._since_ms)
        return ETH_GOT_IP if wire.dhcp and waited_ms >= wire.lease_ms else ETH_CONNECTED

    def config(self, *query, **settings):
        if query and settings:
            raise TypeError("either pos or kw args are allowed")
        if not settings and len(query) != 1:
            raise TypeError("can query only one param")
        if query and query[0] != "mac":
            raise ValueError("unknown config param")
        if query:
            return _unhexlify(_os.getenv("P1_ID") or "02000000002a")

    def ifconfig(self, config=None):
        if config is None:
            return _LOCAL if self._has_address() else _NOWHERE

    def _has_address(self):
        return self.isconnected()


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


def hostname(name=None):
    global _hostname
    if name is None:
        return _hostname
    if len(name) > 32:
        raise ValueError
    _hostname = name


def country(code=None):
    global _country
    if code is None:
        return _country
    if len(code) != 2:
        raise ValueError
    _country = code


def ipconfig(query=None, **settings):
    if query == "dns":
        return _LOCAL[3]
    if query is not None or any(name not in ("dns", "prefer") for name in settings):
        raise ValueError("unexpected key")
