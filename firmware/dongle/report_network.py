# The report's part on the network. report.py loads it only while it is needed.

import json

from . import in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .device import Device

TEMPORARY = True  # see forget()

_PORT_TAKEN = (
    "UDP port 5353 is in use, in official firmware by MicroPython's own responder: the dongle is "
    "found by its name, but its services are not announced"
)
_OFF = '{"connected":false,"reason":"off","code":"off"}'


def texts(device: "Device"):
    """Yields the text in pieces."""
    is_wifi = device.wifi.NAME == "wifi"
    yield ',"wifi":' + (_part(device.wifi.state()) if is_wifi else _OFF)
    yield ',"mqtt":' + (_mqtt(device.mqtt) if device.mqtt else _OFF)
    yield ',"mdns":' + _part(device.mdns.state() if device.mdns else device.mdns_state)
    server, guesses = device.server, device.guesses  # guesses[0]: the number of wrong passwords
    stream = device.stream.counts() if device.stream else (0, 0)
    yield (
        ',"http":{"requests":%d,"refused":%d,"wrong_passwords":%d},'
        '"tcp":{"clients":%d,"dropped":%d}'
        % ((server.requests, server.refused, guesses[0] if guesses else 0) + stream)
    )
    if not is_wifi:
        yield ',"%s":%s' % (device.wifi.NAME, _part(device.wifi.state()))


def _part(state):
    """Returns the state of a part as JSON, with the words of its code."""
    code = state.get("code")
    if code and "reason" not in state:
        state = dict(state, reason=_PORT_TAKEN if code == "port_taken" else in_words(code))
    return json.dumps(state)


def _mqtt(mqtt):
    # The usual state needs no words.py.
    reason = "connected" if mqtt.connected else mqtt.reason or in_words(mqtt.code)
    text = (
        '{"connected":%s,"reason":%s,"code":"%s","tls":%s,"connects":%d,"published":%d,"dropped":%d,'
        '"announced":%d'
    ) % (
        "true" if mqtt.connected else "false",
        json.dumps(reason),
        mqtt.code,
        "true" if mqtt.tls else "false",
        mqtt.connects,
        mqtt.published,
        mqtt.dropped,
        mqtt.discovery.announced,
    )
    if mqtt.discovery.is_refused:
        text += ',"discovery_problem":' + json.dumps(_refusal(mqtt.discovery))
    return text + "}"


def _refusal(discovery):
    return (
        "the broker refuses subscriptions, so the announcements are not repeated when Home "
        "Assistant starts; allow this user to read homeassistant/status and %s/+/p1_%s/+/config"
    ) % (discovery.prefix, discovery.id)
