# The wired network, for boards with Ethernet. It has the same methods as Wifi.
#
# The driver handles the cable and the DHCP lease by itself; this module only looks at the result.
# Unlike Wi-Fi, Ethernet does not report a connection that is no longer there, so there is nothing
# to restart.

# The stubs have the LAN class of another MicroPython port.
# pyright: reportCallIssue=false, reportAttributeAccessIssue=false

import machine
import network

# What the status numbers mean; words.py has the words.
_CODES = {
    network.ETH_STARTED: "no_cable",
    network.ETH_DISCONNECTED: "no_cable",
    network.ETH_CONNECTED: "no_address",
}


def driver(phy: dict):
    """Returns MicroPython's driver, of which there is only one. phy, exceptions: as for Lan."""
    power_pin = phy["power_pin"]
    return network.LAN(
        phy_type=getattr(network, "PHY_" + phy["phy"]),
        phy_addr=phy["address"],
        mdc=machine.Pin(phy["mdc_pin"]),
        mdio=machine.Pin(phy["mdio_pin"]),
        power=None if power_pin is None else machine.Pin(power_pin),
        ref_clk=machine.Pin(phy["clock_pin"]),
        ref_clk_mode=machine.Pin.IN,
    )


class Lan:
    NAME = "ethernet"

    def __init__(self, phy, hostname, health):
        """phy: "ethernet" of the board's profile. Raises OSError, ValueError, KeyError, TypeError
        or AttributeError if there is no such PHY."""
        self._health = health
        self.up = False
        self.drops = 0
        self._is_started = False
        self._down_since_ms = 0  # uptime
        network.hostname(hostname)  # works only before the interface is switched on
        self._lan = driver(phy)

    def address(self) -> str | None:
        return self._lan.ifconfig()[0] if self.up else None

    def away_ms(self) -> int:
        """Returns for how long there has been no network; 0 if there is one."""
        return 0 if self.up else self._health.uptime_ms() - self._down_since_ms

    def doubt(self) -> None:
        """Called when a server could not be reached. Does nothing: a restart would not help."""

    def trust(self) -> None:
        """Called when a server was reached, or a client has reached the dongle. Does nothing."""

    def rssi_dbm(self) -> int | None:
        return None

    def state(self) -> dict:
        """Returns what /health shows of the network; words.py explains the code."""
        # Reads the driver, because the cable may be unplugged since the last tick().
        connected = self._lan.isconnected()
        state = {"connected": connected, "drops": self.drops}
        if connected:
            state["address"] = self._lan.ifconfig()[0]
        else:
            state["code"] = _CODES.get(self._lan.status(), "not_started")
        return state

    def tick(self) -> None:
        """Switches the interface on and follows its state. To be called once a second."""
        if not self._is_started:
            self._lan.active(True)  # does nothing if an earlier program has left it on
            self._is_started = True
        up = self._lan.isconnected()
        if up and not self.up:
            self.up = True
            self._health.say(f"ethernet: connected as {self.address()}")
        elif self.up and not up:
            self.up = False
            self.drops += 1
            self._down_since_ms = self._health.uptime_ms()
            self._health.say("ethernet: connection lost")
