# The wired network: what Wifi is to the rest of the dongle, where the board has Ethernet.
#
# The driver follows the cable and the lease by itself; this only looks. A wire does not merely
# believe that it is connected, so there is nothing to restart either.

# The stubs know another port's LAN.
# pyright: reportCallIssue=false, reportAttributeAccessIssue=false

import machine
import network

# What the status numbers say to a person.
_REASONS = {
    network.ETH_STARTED: "no cable",
    network.ETH_DISCONNECTED: "no cable",
    network.ETH_CONNECTED: "no address from the router",
}


def driver(phy):
    """MicroPython's driver, of which there is one; phy and exceptions as of Lan."""
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
        or AttributeError where there is no such PHY."""
        self._health = health
        self.up = False
        self.drops = 0
        self._is_started = False
        self._down_since_ms = 0  # uptime
        network.hostname(hostname)  # counts only before the interface is on
        self._lan = driver(phy)

    def address(self):
        return self._lan.ifconfig()[0] if self.up else None

    def away_ms(self):
        """For how long the network has been missed; 0 where it is there."""
        return 0 if self.up else self._health.uptime_ms() - self._down_since_ms

    def doubt(self):
        """Somebody who should be there could not be reached: that is theirs, or the router's."""

    def trust(self):
        """Somebody was reached, or has reached us."""

    def rssi_dbm(self):
        return None

    def state(self):
        """For /health: a dict."""
        # Asked of the driver itself: the cable may have gone since the last look.
        connected = self._lan.isconnected()
        state = {"connected": connected, "drops": self.drops}
        if connected:
            state["address"] = self._lan.ifconfig()[0]
        else:
            state["reason"] = _REASONS.get(self._lan.status(), "not started")
        return state

    def tick(self):
        """To be called once a second."""
        if not self._is_started:
            self._lan.active(True)  # nothing happens where an earlier program left it on
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
