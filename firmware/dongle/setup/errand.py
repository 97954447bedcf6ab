# What the set-up portal does with the radio: opens the access point, scans for networks, joins a
# network. portal: a portal.Portal.

import json

from micropython import const

import network

from .. import forget, in_words
from ..net.radio import adopt, switch_on
from .station import join as join_station
from .station import rest, scan

TEMPORARY = True  # see forget()

_GUESTS = const(2)
_MOST_NETWORKS = const(20)
_PORT = const(80)
_CONFIG_PATH = "config.json"


async def start(portal, address: str) -> None:
    """Opens the access point, which has this address."""
    if not portal.station.isconnected() or portal.is_mistakable():
        portal.station.active(True)
        await rest(portal.station)
        switch_on(portal.wifi)
    portal.access_point.active(True)
    from . import label

    forget()
    password = label.password()
    portal.access_point.config(
        ssid=portal.hostname,
        key=password,
        security=network.AUTH_WPA2_PSK,
        max_clients=_GUESTS,
    )
    portal.health.say(
        f"portal: open: Wi-Fi {portal.hostname}, password {password}, http://{address}/"
    )


async def look(portal) -> bytes:
    """Scans for networks and returns them as JSON."""
    found = await scan(portal.station)
    return json.dumps(
        [
            {"ssid": name, "rssi_dbm": rssi_dbm, "secured": is_secured}
            for name, rssi_dbm, is_secured in found[:_MOST_NETWORKS]
        ]
    ).encode()


async def retry(portal) -> None:
    """Tries the configured network once."""
    wifi = portal.wifi
    await join_station(portal.station, wifi.ssid, wifi.password, attempts=1)
    portal.tried_ms = portal.health.uptime_ms()


async def join(portal, changes: dict) -> None:
    """Tries the network that was chosen on the page, and saves the changes if it works."""
    ssid, password = changes["wifi"]["ssid"], changes["wifi"]["password"]
    failure = await join_station(portal.station, ssid, password)
    portal.tried_ms = portal.health.uptime_ms()
    if failure is None:
        adopt(portal.wifi, ssid, password)
        try:
            has_homewizard = _keep(changes)
            portal.saved_ms = portal.health.uptime_ms()
            # HomeWizard's API shows the network's name, and it gets this name only at the start.
            portal.restarts = len(changes) > 1 or has_homewizard
        except OSError as error:
            failure = {
                "code": "not_saved",
                "reason": f"config.json cannot be written: {error}",
            }
    if failure:
        code = failure["code"]
        reason = failure.get("reason") or in_words(code)
        portal.health.say(f"portal: {ssid}: {reason}")
        portal.state = {"state": "failed", "ssid": ssid, "reason": reason, "code": code}
        return
    port = "" if portal.device.http_port == _PORT else f":{portal.device.http_port}"
    portal.state = {
        "state": "connected",
        "ssid": ssid,
        "url": f"http://{portal.wifi.address()}{port}/",
        "named_url": f"http://{portal.hostname}.local{port}/",
        "restarts": portal.restarts,
    }


def _keep(changes):
    """Saves the changes in config.json. Returns whether HomeWizard's API is on. Raises OSError."""
    try:
        with open(_CONFIG_PATH) as file:
            document = json.load(file)
    except (OSError, ValueError):
        document = {}
    if not isinstance(document, dict):
        document = {}
    for section, values in changes.items():
        kept = document.get(section)
        document[section] = dict(kept if isinstance(kept, dict) else {}, **values)
    from ..store import save

    forget()
    save(document, _CONFIG_PATH)
    homewizard = document.get("homewizard")
    return isinstance(homewizard, dict) and homewizard.get("enabled") is True
