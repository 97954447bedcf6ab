# Describes the values of a Reading for MQTT discovery of Home Assistant. The name of an entity
# comes from its key in the Reading; the end of the key, its unit, gives its class.

from .. import obis

TEMPORARY = True  # see forget()

# As in table.py, with the end of a key in place of the key, the number of decimals to show in
# place of the letter, and instead of the name: the word in the entity's name, unit, device class,
# state class, category. "-": none. Home Assistant allows only some combinations, see
# DEVICE_CLASS_UNITS and DEVICE_CLASS_STATE_CLASSES in its components/sensor/const.py.
_KINDS = (
    b"""
gas_m3 3 gas m\xc2\xb3 gas total_increasing -
water_m3 3 water m\xc2\xb3 water total_increasing -
m3 3 - m\xc2\xb3 volume total_increasing -
gj 3 - GJ energy total_increasing -
mwh 3 - MWh energy total_increasing -
kwh 3 - kWh energy total_increasing -
kvarh 3 energy kvarh - total_increasing -
""",
    b"""
w 0 - W power measurement -
var 0 power var reactive_power measurement -
""",
    b"""
va 0 - VA apparent_power measurement -
v 1 - V voltage measurement -
a 2 - A current measurement -
hz 2 - Hz frequency measurement -
""",
    b"""
factor 3 factor - power_factor measurement -
factor_l1 3 factor_l1 - power_factor measurement -
factor_l2 3 factor_l2 - power_factor measurement -
factor_l3 3 factor_l3 - power_factor measurement -
""",
    b"""
count - - - - total_increasing diagnostic
state - - - enum - diagnostic
timestamp - time - timestamp - diagnostic
version - version - - - diagnostic
tariff - tariff - - - -
""",
)

# Values that the grid operator has set, not measurements.
_SETTINGS = (b"limiter", b"fuse", b"grid")

_MEMBERS = (b"unit_of_meas", b"dev_cla", b"stat_cla", b"sug_dsp_prc", b"ent_cat")

_STATE = b"_state"

# The template for a value that the Reading has only in its list of submeters.
_OF_SUBMETER = (
    b"value_json.submeters|default([])|selectattr('type','eq','%s')"
    b"|selectattr('%s','defined')|map(attribute='%s')|first"
)


def members(key: bytes, tariff_names: dict):
    """Yields the JSON members (bytes, each with a comma at the end) that describe the entity of
    this key: name, template, unit, classes. Templates read the Reading's JSON; an entity without a
    value there is unknown. tariff_names: the names in this country, by number."""
    name, columns = _kind(key)
    yield b'"name":"%s",' % _words(name, tariff_names)
    yield b'"val_tpl":"{{%s|default(\'None\')}}",' % _expression(key, tariff_names)
    for member, value in zip(_MEMBERS, columns):
        if value.isdigit():
            yield b'"%s":%s,' % (member, value)
        elif value != b"-":
            yield b'"%s":"%s",' % (member, value)
    if any([key.startswith(start) for start in _SETTINGS]):
        yield b'"ent_cat":"diagnostic",'
    if key == b"tariff" and tariff_names:
        names = [tariff_names[number].encode() for number in sorted(tariff_names)]
        yield b'"dev_cla":"enum","ops":["%s"],' % b'","'.join(names)
    elif key.endswith(_STATE):
        yield b'"ops":["off","on","ready"],'  # DSMR 5.0.2 P1 §6.12, 0-0:96.3.10
    elif key == b"timestamp":
        yield b'"en":false,'  # most users do not need a new state each second


def _kind(key):
    """Returns (words of the name, the values of _MEMBERS) for the longest end of the key that is
    in the table."""
    start = 0
    while True:
        for lines in _KINDS:
            at = lines.find(b"\n" + key[start:] + b" ")
            if at >= 0:
                _, decimals, word, *columns = lines[at : lines.find(b"\n", at + 1)].split()
                columns.insert(3, decimals)
                return (key[:start] + word).replace(b"_-", b""), columns
        start = key.find(b"_", start) + 1
        if not start:
            raise KeyError(key)


def _words(name, tariff_names):
    words = []
    for word in name.decode().split("_"):
        # Slices and not word[0]: MicroPython never frees a letter that comes from an index.
        if len(word) == 2 and word[1:].isdigit():
            number = int(word[1:])
            word = word.upper()
            if word.startswith("T"):
                word = tariff_names.get(number) or f"tariff {number}"
        words.append("15 min" if word == "15m" else word)
    text = " ".join(words)
    return (text[:1].upper() + text[1:]).encode()


def _expression(key, tariff_names):
    if key.endswith(_STATE):
        return b"['off','on','ready'][value_json.%s|default(9)]" % key
    if key == b"tariff" and tariff_names:
        return b"value_json.tariff_name"
    medium, _, unit = key.rpartition(b"_")
    is_medium = medium == b"other" or medium in obis.DEVICE_TYPES.split()
    if is_medium and key not in [top for _, _, top, _ in obis.top_level()]:
        for value_key in obis.CAPTURED.values():
            if value_key.endswith(b"_" + unit):
                return _OF_SUBMETER % (medium, value_key, value_key)
    return b"value_json." + key
