# What differs from country to country, as data. The objects do not: the registry knows them all.
#
# Loaded where a profile is asked for, and forgotten again: so a Profile has no methods, which
# would keep all of this in memory.

from micropython import const

AUTO = "auto"  # see of_telegram()
# Telegrams come encrypted in LU and AT, see cipher.py. One text: each of these in the source would
# stay in memory for good, as a name.
CODES = "auto BE NL NL3 LU AT SE DK HU CH LT".split()  # noqa: SIM905

# Winter time ahead of UTC, in hours.
_CENTRAL_EUROPE = const(1)
_EASTERN_EUROPE = const(2)


class Profile:
    code: str
    tariff_names: dict  # of 0-0:96.14.0, by number, where everybody there agrees
    winter_h: int  # hours that winter time is ahead of UTC
    line: tuple  # baud, data bits, parity (None; 0 is even), as machine.UART takes them
    has_crc: bool


def profile(code):
    """A new Profile of one of the CODES."""
    made = Profile()
    made.code = code
    # Belgium's tariff 1 is the dear one, the Netherlands' the cheap one (e-MUCS-P1 1.7.1 table 4
    # and its note that the Dutch rule does not hold).
    made.tariff_names = {}
    if code == "BE":
        made.tariff_names = {1: "day", 2: "night"}
    elif code[:2] == "NL":
        made.tariff_names = {1: "night", 2: "day"}
    made.winter_h = _EASTERN_EUROPE if code == "LT" else _CENTRAL_EUROPE
    # NL3: DSMR 2.2 and 3.0.
    made.line = (9600, 7, 0) if code == "NL3" else (115200, 8, None)
    made.has_crc = code != "NL3"
    return made


# How a header begins, behind its "/", that only one country's meters send. What makers sell
# everywhere, such as Kamstrup's and Landis+Gyr's, says nothing.
_HEADERS = b"""
BE FLU5
BE ISk5\\2MIE5
LU Lux5
AT EST5
CH GRE5
LT ESO
HU SAG5SAG-METER
NL NWA-WARMTELINK
NL XMX5
NL KFM5KAIFA
NL ISK5\\2M5
NL ISk5\\2MT382
NL KMP5
NL Ene5
"""


def of_telegram(telegram, has_dutch_version):
    """The code of the country of an AUTO reading's telegram (bytes-like from its "/").
    has_dutch_version: it has a line that Belgian meters do not send, so that without a telling
    header it stays open which country this is."""
    for line in _HEADERS.strip().split(b"\n"):
        code, header = line.split()
        if telegram[1 : 1 + len(header)] == header:
            return code.decode()
    return AUTO if has_dutch_version else "BE"
