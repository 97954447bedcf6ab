# The cable is plugged in, pulled out and plugged in again; a PHY that is not there is not found.

import time

import network
import world
from machine import Pin

wire = world.wire
LAN: Any = network.LAN  # the stubs have the LAN class of another port
wire.change(lease_ms=30, plugged=False)


def refuses(reason, *args, **settings):
    pins: dict = {"mdc": Pin(23), "mdio": Pin(18), "power": Pin(16), "ref_clk": Pin(0)}
    pins.update({"ref_clk_mode": Pin.IN, "phy_type": network.PHY_LAN8720, "phy_addr": 1})
    pins.update(settings)
    try:
        LAN(*args, **pins)
    except (OSError, ValueError) as error:
        assert reason in str(error), error
    else:
        raise AssertionError(reason)


refuses("invalid LAN interface identifier", 1)
refuses("invalid phy address", phy_addr=32)
refuses("invalid phy type", phy_type=7)
refuses("mdc and mdio must be specified", mdc=None)
refuses("esp_eth_driver_install failed", phy_addr=0)
refuses("esp_eth_driver_install failed", power=None)

network.hostname("p1-dongle")
lan = LAN(
    mdc=Pin(23),
    mdio=Pin(18),
    power=Pin(16),
    ref_clk=Pin(0),
    ref_clk_mode=Pin.IN,
    phy_type=network.PHY_LAN8720,
    phy_addr=1,
)
assert LAN(phy_type=network.PHY_LAN8720, phy_addr=1) is lan
assert lan.status() == network.ETH_INITIALIZED and not lan.active() and not lan.isconnected()
lan.active(True)
assert wire.hostname == "p1-dongle" and lan.status() == network.ETH_STARTED
assert world.offline() and lan.ifconfig()[0] == "0.0.0.0"

wire.change(plugged=True)
assert lan.status() == network.ETH_CONNECTED and not lan.isconnected()
time.sleep_ms(40)
assert lan.status() == network.ETH_GOT_IP and lan.isconnected() and not world.offline()
assert lan.ifconfig()[0] == "127.0.0.1" and len(lan.config("mac")) == 6
wire.change(plugged=False)
assert lan.status() == network.ETH_DISCONNECTED and not lan.isconnected()
wire.change(plugged=True, dhcp=False)
time.sleep_ms(40)
assert lan.status() == network.ETH_CONNECTED
lan.active(False)
assert lan.status() == network.ETH_STOPPED
print("ok")
