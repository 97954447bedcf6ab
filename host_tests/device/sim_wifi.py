# The station joins, loses its access point, comes back by itself, and can be wedged.

import time

import network
import world
from network import WLAN

radio = world.radio
assert radio.networks == {"home": "secret"}, "from P1_WIFI"
radio.change(join_ms=30, scan_ms=10)


def wait(status, wlan, within_ms=200):
    start = time.ticks_ms()
    while wlan.status() != status:
        assert time.ticks_diff(time.ticks_ms(), start) < within_ms, (wlan.status(), status)
        time.sleep_ms(5)


def refuses(reason, function, *args, **settings):
    try:
        function(*args, **settings)
    except (OSError, ValueError) as error:
        assert reason in str(error), error
    else:
        raise AssertionError(reason)


network.hostname("p1-dongle")
refuses("", network.hostname, "x" * 33)
wlan = WLAN(network.STA_IF)
assert wlan is WLAN(WLAN.IF_STA)
refuses("Wifi Not Started", wlan.connect, "home", "secret")
assert not wlan.active() and wlan.status() == network.STAT_IDLE
wlan.active(True)
assert radio.hostname == "p1-dongle"
assert wlan.scan() == [(b"home", b"\x02\0\0\0\0\x01", 6, -60, 3, False)]
radio.change(neighbours=[(b"", -70, 3), (b"caf\xe9", -80, 0)])
assert [found[0] for found in wlan.scan()] == [b"home", b"", b"caf\xe9"]
wlan.config(pm=WLAN.PM_NONE, txpower=8.5)
assert wlan.config("pm") == 0 and wlan.config("txpower") == 8.5 and len(wlan.config("mac")) == 6
refuses("unknown config param", wlan.config, "nonsense")
refuses("unknown config param", wlan.config, nonsense=1)
refuses("AP required", wlan.config, ssid="x")

wlan.connect("home", "secret")
assert wlan.status() == network.STAT_CONNECTING and wlan.ifconfig()[0] == "0.0.0.0"
assert wlan.scan() == [], "no scan while it connects"
refuses("Wifi Internal State Error", wlan.config, txpower=8)
assert wlan.config("txpower") == 8
refuses("Wifi Internal State Error", wlan.connect, "home", "secret")
assert world.offline()
wait(network.STAT_GOT_IP, wlan)
assert wlan.isconnected() and wlan.ifconfig()[0] == wlan.ipconfig("addr4")[0] == "127.0.0.1"
assert wlan.status("rssi") == -60 and wlan.config("ssid") == "home" and not world.offline()
radio.change(rssi=-80)
assert wlan.isconnected(), "a knob that does not matter to the link leaves it alone"

radio.change(on_air=False)
assert not wlan.isconnected() and wlan.status() == network.STAT_CONNECTING
wait(network.STAT_NO_AP_FOUND, wlan)
radio.change(on_air=True)
wait(network.STAT_GOT_IP, wlan)  # nobody called connect()

radio.change(dhcp=False)
assert not wlan.isconnected()
refuses("Wifi Not Connected", wlan.status, "rssi")
time.sleep_ms(50)
assert wlan.status() == network.STAT_CONNECTING
assert wlan.status("rssi") == -80, "associated, without an address"
radio.change(dhcp=True, refuse=network.STAT_ASSOC_FAIL)
time.sleep_ms(50)
assert wlan.status() == network.STAT_CONNECTING, "only 201 and 202 show while it tries again"
radio.change(refuse=0)
wait(network.STAT_GOT_IP, wlan)

wlan.disconnect()
wlan.connect("home", "secret")  # without the second of rest
wait(network.STAT_WRONG_PASSWORD, wlan)
time.sleep_ms(100)
assert wlan.status() == network.STAT_WRONG_PASSWORD
wlan.active(False)
wlan.active(True)
time.sleep_ms(1000)
wlan.connect("home", "wrong")
wait(network.STAT_WRONG_PASSWORD, wlan)
wlan.disconnect()
time.sleep_ms(1000)
wlan.config(reconnects=0)
wlan.connect("elsewhere")
wait(network.STAT_NO_AP_FOUND, wlan)
wlan.connect("home", "secret")  # it gave up, so this is no error
assert wlan.status() == network.STAT_NO_AP_FOUND, "what was before shows until something else is"
wait(network.STAT_GOT_IP, wlan)
wlan.disconnect()
assert wlan.status() == network.STAT_IDLE
time.sleep_ms(1000)
radio.change(denial=15, denial_ms=60)
wlan.connect("home", "wrong")
time.sleep_ms(60)
assert wlan.status() == network.STAT_IDLE, "a disconnect() shows too"
wait(15, wlan)  # as by many access points, seen only where no further attempt is to come
wlan.config(reconnects=-1)
wlan.connect("home", "wrong")
time.sleep_ms(150)
assert wlan.status() == network.STAT_CONNECTING
wlan.disconnect()
time.sleep_ms(1000)
wlan.config(reconnects=0)
radio.change(dhcp=False)
wlan.connect("home", "secret")
time.sleep_ms(100)
assert wlan.status("rssi") == -80, "an address that does not come is no failed attempt"
radio.change(dhcp=True)
wait(network.STAT_GOT_IP, wlan)

ap = WLAN(network.AP_IF)
ap.config(essid="P1", password="12345678", authmode=network.AUTH_WPA2_PSK)
ap.active(True)
assert ap.config("ssid") == "P1" and ap.status("stations") == [] and not ap.isconnected()
assert ap.ifconfig()[:2] == ("192.168.4.1", "255.255.255.0")
assert wlan.isconnected(), "both at once"
radio.change(guests=2)
stations: Any = ap.status("stations")
assert len(stations) == 2 and ap.isconnected()
wlan.disconnect()
assert world.offline(), "our own access point leads nowhere"
ap.active(False)
assert ap.status("stations") == [] and ap.ifconfig()[0] == "0.0.0.0"
refuses("unknown config param", ap.config, "password")
refuses("STA required", ap.connect, "home")
print("ok")
