# The registry: the only module that contains OBIS codes.
#
# Each row has the code, the key in the Reading (names and units are shared; a key ends in its
# unit), and the kind of the content in brackets. "-" instead of a code: derived, never sent. "n":
# the M-Bus channel, 1 to 4. If a key has several rows, the first one that the telegram has is
# used. If the code of a number has several rows, the printed unit selects one. 1-1 means the same
# as 1-0 (Swiss meters). A Reading is written in the order of the rows.
#
# Kinds: a unit (kWh, W, V ...): one number, converted to that unit.   int: a number without unit.
# All others rarely change and are read by decode.py.   time: a stamp, in the first row only.
# tariff: its number.   hex, version, message: texts, see text.py.   peak: a stamp and a power.
# history, failures: lists.   type ... capture: the lines of a sub-meter; the unit of its capture
# shows what it counts. Captures come last before the numbers, because they change most often.

from array import array

_TABLE = b"""
0-0:1.0.0    timestamp                    time
0-0:96.14.0  tariff                       tariff
0-0:96.1.1   meter_id                     hex
0-0:96.1.0   meter_id                     hex
0-0:42.0.0   meter_id                     hex
0-0:96.1.2   ean                          hex
0-0:96.1.4   protocol_version             version
1-3:0.2.8    protocol_version             version
0-0:96.13.0  message_text                 message
0-0:96.13.1  message_code                 message
0-0:96.13.2  message_text_2               message
0-0:96.13.3  message_text_3               message
0-0:96.13.4  message_text_4               message
0-0:96.13.5  message_text_5               message
1-0:1.6.0    monthly_power_peak           peak
0-0:98.1.0   power_peak_history           history
1-0:99.97.0  power_failures               failures
0-n:24.1.0   device_type                  type
0-n:96.1.1   id                           id
0-n:96.1.0   id                           id
0-n:96.1.2   ean                          submeter_ean
0-n:24.4.0   valve_state                  valve
0-n:24.2.1   volume_m3                    capture
0-n:24.2.3   volume_m3                    capture
0-n:24.3.0   volume_m3                    capture
1-0:1.8.0    energy_import_kwh            kWh
1-0:1.8.1    energy_import_t1_kwh         kWh
1-0:1.8.2    energy_import_t2_kwh         kWh
1-0:1.8.3    energy_import_t3_kwh         kWh
1-0:1.8.4    energy_import_t4_kwh         kWh
1-0:1.8.5    energy_import_t5_kwh         kWh
1-0:2.8.0    energy_export_kwh            kWh
1-0:2.8.1    energy_export_t1_kwh         kWh
1-0:2.8.2    energy_export_t2_kwh         kWh
1-0:2.8.3    energy_export_t3_kwh         kWh
1-0:2.8.4    energy_export_t4_kwh         kWh
1-0:2.8.5    energy_export_t5_kwh         kWh
1-0:15.8.0   energy_absolute_kwh          kWh
1-0:3.8.0    reactive_import_kvarh        kvarh
1-0:3.8.1    reactive_import_t1_kvarh     kvarh
1-0:3.8.2    reactive_import_t2_kvarh     kvarh
1-0:4.8.0    reactive_export_kvarh        kvarh
1-0:4.8.1    reactive_export_t1_kvarh     kvarh
1-0:4.8.2    reactive_export_t2_kvarh     kvarh
1-0:5.8.0    reactive_q1_kvarh            kvarh
1-0:6.8.0    reactive_q2_kvarh            kvarh
1-0:7.8.0    reactive_q3_kvarh            kvarh
1-0:8.8.0    reactive_q4_kvarh            kvarh
-            power_w                      W
1-0:1.7.0    power_import_w               W
1-0:2.7.0    power_export_w               W
-            power_l1_w                   W
-            power_l2_w                   W
-            power_l3_w                   W
1-0:21.7.0   power_import_l1_w            W
1-0:41.7.0   power_import_l2_w            W
1-0:61.7.0   power_import_l3_w            W
1-0:22.7.0   power_export_l1_w            W
1-0:42.7.0   power_export_l2_w            W
1-0:62.7.0   power_export_l3_w            W
1-0:3.7.0    reactive_import_var          var
1-0:4.7.0    reactive_export_var          var
1-0:5.7.0    reactive_q1_var              var
1-0:6.7.0    reactive_q2_var              var
1-0:7.7.0    reactive_q3_var              var
1-0:8.7.0    reactive_q4_var              var
1-0:23.7.0   reactive_import_l1_var       var
1-0:43.7.0   reactive_import_l2_var       var
1-0:63.7.0   reactive_import_l3_var       var
1-0:24.7.0   reactive_export_l1_var       var
1-0:44.7.0   reactive_export_l2_var       var
1-0:64.7.0   reactive_export_l3_var       var
1-0:9.7.0    apparent_import_va           VA
1-0:10.7.0   apparent_export_va           VA
1-0:13.7.0   power_factor                 int
1-0:33.7.0   power_factor_l1              int
1-0:53.7.0   power_factor_l2              int
1-0:73.7.0   power_factor_l3              int
1-0:14.7.0   frequency_hz                 Hz
1-0:32.7.0   voltage_l1_v                 V
1-0:52.7.0   voltage_l2_v                 V
1-0:72.7.0   voltage_l3_v                 V
1-0:31.7.0   current_l1_a                 A
1-0:51.7.0   current_l2_a                 A
1-0:71.7.0   current_l3_a                 A
1-0:1.4.0    average_power_15m_w          W
0-0:96.7.21  power_failures_count         int
0-0:96.7.9   long_power_failures_count    int
1-0:32.32.0  voltage_sags_l1_count        int
1-0:52.32.0  voltage_sags_l2_count        int
1-0:72.32.0  voltage_sags_l3_count        int
1-0:32.36.0  voltage_swells_l1_count      int
1-0:52.36.0  voltage_swells_l2_count      int
1-0:72.36.0  voltage_swells_l3_count      int
0-0:96.3.10  breaker_state                int
0-1:96.3.10  relay_1_state                int
0-2:96.3.10  relay_2_state                int
0-3:96.3.10  relay_3_state                int
0-4:96.3.10  relay_4_state                int
0-0:17.0.0   limiter_threshold_w          W
0-0:17.0.0   limiter_threshold_va         VA
0-0:17.0.0   limiter_threshold_a          A
1-0:31.4.0   fuse_threshold_a             A
1-0:51.4.0   fuse_threshold_l2_a          A
1-0:71.4.0   fuse_threshold_l3_a          A
1-0:94.32.1  grid_voltage_v               int
"""

CHANNELS = 4

# Each line is a unit and the spellings that meters use, each with the power of ten that converts
# it. "-": no unit is printed. (Tables are text: a tuple of tuples takes ten times the memory.)
_UNITS = b"""
int    -      0
kWh    kWh    0   Wh    -3  MWh   3
W      kW     3   W      0
V      V      0   kV     3
A      A      0   kA     3
kvarh  kvarh  0   kVArh  0  varh -3  VArh -3
var    kvar   3   kVAr   3  var   0  VAr   0
VA     kVA    3   VA     0
Hz     Hz     0   kHz    3
"""

# The unit that a sub-meter prints -> the key of its value.
CAPTURED = {
    b"m3": b"volume_m3",
    b"GJ": b"energy_gj",
    b"kWh": b"energy_kwh",
    b"MWh": b"energy_mwh",
}

# Each type in the Reading with its M-Bus device types (OMS media). All others are "other".
DEVICE_TYPES = b"electricity 2 gas 3 heat 4 12 warm_water 6 water 7 cooling 10 11 13"

# The valid sub-meter of a type with the newest value also appears at the top level.
_TOP_LEVEL = b"""
gas    volume_m3  gas_m3    gas_timestamp
water  volume_m3  water_m3  water_timestamp
heat   energy_gj  heat_gj   heat_timestamp
"""


def _pack(code):
    """Packs b"1-0:1.8.0" into a number below 2^30: 2 bits A, 4 bits B, 8 bits each C, D and E."""
    medium, rest = code.split(b"-")
    channel, rest = rest.split(b":")
    packed = int(medium) * 16 + int(channel)
    for group in rest.split(b"."):
        packed = packed * 256 + int(group)
    return packed


# The rest is the same table in the formats that the fast code needs. The text and the functions
# that convert it are deleted afterwards; a board's build does the conversion beforehand.

NOT_A_NUMBER = 0  # in ROW_UNIT: the row is read by decode.py


def _unit_rules():
    # Joins all spellings: for each unit its spellings as length, exponent + 8, text; a length of
    # 255 ends them. The place where its spellings start identifies a unit.
    rules = bytearray(1)  # one unused byte, so that no unit starts at NOT_A_NUMBER
    starts = {}
    for line in _UNITS.strip().split(b"\n"):
        unit, *spellings = line.split()
        starts[unit] = len(rules)
        for at in range(0, len(spellings), 2):
            text = spellings[at].strip(b"-")
            rules.append(len(text))
            rules.append(int(spellings[at + 1]) + 8)
            rules.extend(text)
        rules.append(255)  # END_OF_RULES in scan.py
    return bytes(rules), starts


def _rows():
    rules, unit_start = _unit_rules()
    names = b""  # the keys of rows that are not numbers, each key once
    starts = []  # where the key of each of these rows starts in names
    keys = b""  # the keys of numbers
    lengths = []
    units = []
    codes = []  # (packed code, row)
    firsts = {}  # kind -> its first row, for kinds that are not numbers
    for line in _TABLE.strip().split(b"\n"):
        code, key, kind = line.split()
        for channel in range(1, CHANNELS + 1) if b"n" in code else (0,):
            number = len(lengths)
            if code != b"-":
                codes.append((_pack(code.replace(b"n", b"%d" % channel)), number))
            lengths.append(len(key))
            units.append(unit_start.get(kind, NOT_A_NUMBER))
            if kind in unit_start:
                keys += key
            else:
                if key not in names:
                    names += key
                starts.append(names.find(key))
                firsts.setdefault(kind, number)
    codes.sort()
    return (
        names + keys,
        bytes(starts),
        len(names),
        bytes(lengths),
        bytes(units),
        rules,
        bytes(array("i", [code for code, _ in codes])),
        bytes([row for _, row in codes]),
        len(lengths),
        firsts[b"hex"],
        firsts[b"version"],
        firsts[b"message"],
        firsts[b"peak"],
        firsts[b"type"],
        firsts[b"id"],
        firsts[b"submeter_ean"],
        firsts[b"valve"],
        firsts[b"capture"],
        len(starts),
    )


# KEYS: all keys, joined. The keys of numbers start at NUMBER_KEYS, in the order of their rows.
# KEY_LENGTH, ROW_UNIT: by row, how long its key is, and where its unit's spellings start in
# UNIT_RULES. _NAME_AT: where the key starts in KEYS, by row that is not a number.
# CODES, CODE_ROW: the codes in rising order, four bytes each, and the row of each code.
# FIRST_...: the first row of a kind. The rows of a kind follow each other, for sub-meters channel
# by channel. Numbers come last.
(
    KEYS,
    _NAME_AT,
    NUMBER_KEYS,
    KEY_LENGTH,
    ROW_UNIT,
    UNIT_RULES,
    CODES,
    CODE_ROW,
    ROWS,
    FIRST_HEX,
    FIRST_VERSION,
    FIRST_MESSAGE,
    FIRST_PEAK,
    FIRST_TYPE,
    FIRST_ID,
    FIRST_EAN,
    FIRST_VALVE,
    FIRST_CAPTURE,
    FIRST_NUMBER,
) = _rows()
del _TABLE, _UNITS, _pack, _unit_rules, _rows


def key(row: int) -> bytes:
    """Returns the key of a row."""
    if row < FIRST_NUMBER:
        start = _NAME_AT[row]
    else:
        start = NUMBER_KEYS + sum(KEY_LENGTH[FIRST_NUMBER:row])
    return KEYS[start : start + KEY_LENGTH[row]]


def row(name) -> int:
    """Returns the first row with this key (str). Only for use at import."""
    name = name.encode()
    for number in range(ROWS):
        if key(number) == name:
            return number
    raise KeyError(name)


def top_level():
    """Yields (type, key of its value, key of the value at the top level, key of the stamp)."""
    for line in _TOP_LEVEL.strip().split(b"\n"):
        type, value_key, top_key, stamp_key = line.split()
        yield type.decode(), value_key, top_key, stamp_key
