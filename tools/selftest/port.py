"""What the measurements say of the P1 port and its wires: the one cause, and what to do about it.

DSMR 5.0.2 P1 §5.7: the meter holds the data line low while it is asked and idle, and only ever
pulls it down; the reader's resistor pulls it up. So

    the data line with the GPIO's own resistor      down    up      is
    while nothing is asked for                      high    high    pulled up, and free
                                                    low     high    free, and without a pull-up
                                                    low     low     held by somebody
    while telegrams are asked for                           low     held: the meter has heard
                                                            high    nobody has heard

and what arrives is whole, damaged, or whole when the line is turned over.
"""

from collections.abc import Iterator

from selftest.finding import FAULT, OK, SKIPPED, WARNING, Finding, missing

_NOISE_BYTES = 20  # so few may come of a line that is let go, or of a plug
_CABLE = (
    "is the cable in, with all six wires? Is the port open (mijn.fluvius.be)? A closed one has no "
    "5 V between pins 1 and 6"
)
_MEASURE = "measure pin 2 against pin 3 while the dongle runs: it takes 4.0 to 5.5 V"


def findings(evidence: dict) -> Iterator[Finding]:
    yield _request(evidence)
    yield _meter(evidence)


def swapped_with(board: dict, released: dict) -> str:
    """Where the data line is instead of at rx_pin, "" where it may well be there: something
    outside pulls up another pin and not that one."""
    if released.get("down") is None or board.get("rx_idle", 0) or _rises(released["down"]):
        return ""
    for key in released["pulled_up"]:
        # A switch that a low level turns on has a pull-up of its own.
        if key != "request_pin" or board["request_active"] == 1:
            return f"GPIO{board[key]} ({key})"
    return ""


def _is_high(level: list[int]) -> bool:
    return level[0] * 2 > level[1]


def _rises(level: list[int]) -> bool:
    """Is a line ever up? A meter that has been asked holds it down but for the pulses of its
    telegrams, and what the chip pulls down only a pull-up outside can raise."""
    return level[0] > 0


def _lacks_pull_up(board: dict, released: dict) -> bool:
    if released["down"] is None or board.get("rx_idle", 0):  # behind an inverter it is not seen
        return False
    return not _rises(released["down"]) and _rises(released["up"])


def _is_held(board: dict, level: list[int]) -> bool:
    """Does somebody hold the data line at its idle level?"""
    return _is_high(level) == bool(board.get("rx_idle", 0))


def _request(evidence: dict) -> Finding:
    board, check = evidence["board"], "request pin"
    if board["request_drive"] == "tied":
        return Finding(check, SKIPPED, "the request is wired to 5 V, no pin drives it")
    if nothing := missing(check, evidence["asked"]):
        return nothing
    if stuck := _stuck_at(evidence):
        pin = f"GPIO{board['request_pin']}"
        fix = f"something holds {pin}: a short, or it is wired to another part as well"
        return Finding(check, FAULT, f"{pin} does not follow: {stuck}", "request dead", fix)
    return Finding(check, OK, f"GPIO{board['request_pin']} follows ({board['request_drive']})")


def _stuck_at(evidence: dict) -> str:
    active = evidence["board"]["request_active"]
    driven, let_go = evidence["asked"]["request_pin"]
    if driven not in (None, active):
        return f"driven to {active} it reads {driven}"
    if let_go not in (None, 1 - active):
        return f"driven to {1 - active} it reads {let_go}"
    return ""


def _meter(evidence: dict) -> Finding:
    board, released = evidence["board"], evidence["released"]
    if pin := swapped_with(board, released):
        text = f"the data line is at {pin}, not at GPIO{board['rx_pin']} (rx_pin)"
        fix = "swap the two wires, or the two numbers in board.json"
        return Finding("meter", FAULT, text, "swapped pins", fix)
    for measured in (released, evidence["asked"], evidence["telegrams"]):
        if nothing := missing("meter", measured):
            return nothing
    verdict, text, fault, fix = _cause(evidence)
    return Finding("meter", verdict, text, fault, fix)


def _cause(evidence: dict) -> tuple[str, str, str, str]:
    """(verdict, text, fault, fix), the surest first."""
    board, came = evidence["board"], evidence["telegrams"]
    rx = f"GPIO{board['rx_pin']}"
    pull_up = f"put 1 kΩ from {rx} to 3.3 V: the chip's own resistor is far too weak"
    if came["good"]:
        return _received(evidence, pull_up)
    if evidence["loopback"].get("one"):
        text = "a UART that does not invert cannot read a meter"
        return FAULT, text, "no inversion", "see UART, above"
    if evidence["turned_over"].get("good"):
        fix = "take the transistor out of the data line: the UART inverts it (rx_idle is 0)"
        if board.get("rx_idle", 0):
            fix = 'there is no transistor in the data line: "rx_idle": 0 in board.json'
        return FAULT, f"telegrams arrive at {rx} upside down", "wrong inversion", fix
    if evidence.get("unasked", {}).get("good"):
        text = "telegrams arrive while the request is off, and none while it is on"
        fix = f'"request_active": {1 - board["request_active"]} in board.json'
        return FAULT, text, "request upside down", fix
    if _lacks_pull_up(board, evidence["released"]):
        fix = f"{pull_up}. There is one? Then its wire is broken, or the data wire's"
        return FAULT, f"nothing pulls up the data line at {rx}", "no pull-up", fix
    if came["encrypted"] and not came["has_key"]:
        fix = "ask the grid operator for the key, and put it into meter.key of config.json"
        return FAULT, "the meter sends encrypted telegrams", "no key", fix
    if came["bytes"] > _NOISE_BYTES:
        text = f"{came['bytes']} bytes arrive, and no whole telegram ({_damage(came)})"
        right = (
            f"meter.country ({came['country']}: {came['baud']} baud), meter.key if there is one"
        )
        return FAULT, text, "damaged", f"{pull_up}; a shorter cable; check {right}"
    return _silent(evidence)


def _damage(came: dict) -> str:
    return f"CRC wrong: {came['crc']}, cut short: {came['framing']}, too long: {came['overflow']}"


def _received(evidence: dict, pull_up: str) -> tuple[str, str, str, str]:
    board, came = evidence["board"], evidence["telegrams"]
    text = f"{came['good']} telegrams, CRC right, the first after {came['first_ms'] / 1000:.1f} s"
    if came["crc"] + came["framing"] > 1:  # the first may come in the middle
        return WARNING, f"{text}; others damaged ({_damage(came)})", "damaged", pull_up
    if _lacks_pull_up(board, evidence["released"]):
        return WARNING, f"{text}; but nothing pulls up the data line", "no pull-up", pull_up
    if board["request_drive"] != "tied" and _is_held(board, evidence["released"]["up"]):
        fix = 'is pin 2 wired to 5 V? Then "request_drive": "tied" in board.json'
        return WARNING, f"{text}; but the request is never released", "request stuck", fix
    return OK, text, "", ""


def _silent(evidence: dict) -> tuple[str, str, str, str]:
    """Where nothing arrives, and the data line has its pull-up."""
    board, asked = evidence["board"], evidence["asked"]
    drive = board["request_drive"]
    if _is_held(board, asked["line"]):
        if drive != "tied" and _is_held(board, evidence["released"]["up"]):
            text = f"GPIO{board['rx_pin']} is held down all the time, and nothing is sent"
            fix = "plug the meter out and run this again: still held? Then it is a short to ground"
            return FAULT, text, "data line shorted", fix
        text = "the meter is there and hears the request, but says nothing: the port is closed"
        fix = "have it opened, on mijn.fluvius.be or by your grid operator; it can take a day"
        return FAULT, text, "port closed", fix
    if drive == "direct" and not _stuck_at(evidence):
        text = "no meter answers. Suspicion: 3.3 V on pin 2 are too little for it; 4.0 V are due"
        fix = f"switch the port's 5 V onto pin 2 (boards/README.md). Before that: {_CABLE}"
        return FAULT, text, "3.3 V request", fix
    text = "no meter answers: the request does not reach one"
    if stuck := _stuck_at(evidence):
        return FAULT, f"{text}, for its pin {stuck}", "request dead", "see request pin, above"
    parts = "the wire from pin 1 to pin 2" if drive == "tied" else "Q1, Q2 and their resistors"
    return FAULT, text, "request dead", f"{_MEASURE}; if not, check {parts}. If so, {_CABLE}"
