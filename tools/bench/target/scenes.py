"""Calls of viper functions with what they find and should leave behind: recorded while CPython
runs the same functions, to be repeated on a machine."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType

from bench import household
from p1 import crc16, decode, framer, obis
from p1.reading import Reading
from p1.render import numbers as number_writers
from p1.render.json import Json
from p1.scan import UNKNOWN

_TELEGRAMS = 3  # the last one is measured: the second that follows another
_BEHIND_CRC = 6
_CHUNK = 120


@dataclass
class Scene:
    """`names`: what globals and attributes stand for, by their name. `calls`: arguments, and the
    result where it is known. An argument or name is a number or an object. `after`: what
    the objects of some names hold when all is done. `offset`: by how much arguments are off an
    aligned address."""

    source: str  # below firmware/
    function: str
    names: dict = field(default_factory=dict)
    calls: Sequence[tuple[tuple, int | None]] = field(default_factory=list)
    after: dict = field(default_factory=dict)
    offset: int = 0


def telegram() -> bytes:
    return household.seconds(1)[0]


def crc_of(data: bytes) -> Scene:
    return _crc([((data, 0, 0, len(data)), crc16.check(data))])


def crc_of_chunks(data: bytes, sizes: list[int]) -> Scene:
    """One behind the other in one buffer, as the framer does it."""
    calls, at, crc = [], 0, 0
    for size in sizes:
        end = min(at + size, len(data))
        after = crc16.update(data, crc, at, end)
        calls.append(((data, crc, at, end), after))
        at, crc = end, after
    assert crc == crc16.check(data)
    return _crc(calls)


def crc_of_odds(data: bytes, offset: int) -> Scene:
    """All starts and lengths up to 20, in an object that is itself off an aligned address."""
    calls = [
        ((data, 0x1234, start, end), crc16.update(data, 0x1234, start, end))
        for start in range(5)
        for end in range(start, start + 20)
    ]
    scene = _crc(calls)
    scene.offset = offset
    return scene


def _crc(calls) -> Scene:
    names = {"_AFTER_ONE": crc16._AFTER_ONE, "_AFTER_TWO": crc16._AFTER_TWO}
    return Scene("p1/crc16.py", "update", names, calls)


def framer_of(data: bytes) -> list[Scene]:
    marks = framer._MARKS
    end = data.index(b"!") + 1
    return [
        Scene("p1/framer.py", "_next_mark", {}, [((data, marks, 1, end), end - 1)]),
        Scene("p1/framer.py", "_copy", {}, [((bytes(len(data)), data, 0, 0, end), None)]),
    ]


def decode_and_json() -> list[Scene]:
    """What is done for a telegram a second after another one, and what was for the first."""
    scenes = {}
    recorders = (
        _recorder(decode, "scan", scenes, _scan),
        _recorder(decode, "update", scenes, _update),
        _recorder(decode, "derive", scenes, _derive),
        _recorder(number_writers, "_write_numbers", scenes, _write_numbers),
        _recorder(number_writers, "_update_numbers", scenes, _update_numbers),
    )
    reading, document = Reading(), Json()
    try:
        for telegram in household.seconds(_TELEGRAMS):
            decode.decode(bytearray(telegram), len(telegram), reading)
            document.render(reading)
    finally:
        for undo in recorders:
            undo()
    return list(scenes.values())


def _recorder(module: ModuleType, name: str, scenes: dict, describe):
    plain = getattr(module, name)

    def record(*arguments):
        scene = describe(*arguments)
        result = plain(*arguments)
        ((values, _),) = scene.calls
        scene.calls = [(values, result)]
        scene.after = {key: bytes(memoryview(it).cast("B")) for key, it in scene.after.items()}
        scenes[name] = scene
        return result

    setattr(module, name, record)
    return lambda: setattr(module, name, plain)


def _numbers(reading) -> dict:
    return {
        "mantissa": array("i", reading.mantissa),
        "decimals": bytearray(reading.decimals),
    }


def _lines(reading) -> dict:
    return {
        "line_end": array("H", reading.line_end),
        "line_value": array("H", reading.line_value),
        "line_row": bytearray(reading.line_row),
        "line_tens": bytearray(reading.line_tens),
    }


def _scan(reading, end) -> Scene:
    names = {
        **_numbers(reading),
        **_lines(reading),
        "telegram": bytes(reading.telegram),
        "unknown": array("H", reading.unknown),
        "_CODES": obis.CODES,
        "CODE_ROW": obis.CODE_ROW,
        "ROW_UNIT": obis.ROW_UNIT,
        "UNIT_RULES": obis.UNIT_RULES,
    }
    after = {**_changed(reading), **{name: getattr(reading, name) for name in _lines(reading)}}
    return Scene("p1/scan.py", "scan", names, [((0, end), None)], after)


def _update(text, old, reading) -> Scene:
    names = {
        **_numbers(reading),
        **_lines(reading),
        "body": reading.body,
        "UNKNOWN": UNKNOWN,
        "FIRST_CAPTURE": obis.FIRST_CAPTURE,
        "ROW_UNIT": obis.ROW_UNIT,
    }
    calls = [((bytes(text), bytes(old), 0), None)]
    return Scene("p1/quick.py", "update", names, calls, _changed(reading))


def _derive(reading, sums, differences) -> Scene:
    calls = [((0, sums, differences), None)]
    return Scene("p1/scan.py", "derive", _numbers(reading), calls, _changed(reading))


def _changed(reading) -> dict:
    return {"mantissa": reading.mantissa, "decimals": reading.decimals}


def _written(onto, numbers, written) -> tuple[dict, dict]:
    """(names, what of them changes)."""
    changed = {
        "bytes": onto,
        "shown": written.shown,
        "shown_decimals": written.shown_decimals,
        "ends": written.ends,
    }
    copies = {name: type(it)(it) for name, it in changed.items() if isinstance(it, bytearray)}
    copies |= {name: array(changed[name].typecode, changed[name]) for name in ("shown", "ends")}
    facts = {"first": written.first, "keys_at": written.keys_at}
    return {**_numbers(numbers), **copies, **facts, "_POWERS": number_writers._POWERS}, changed


def _write_numbers(out, text, onto, numbers, keys, written) -> Scene:
    names, changed = _written(onto.bytes, numbers, written)
    names |= {
        "size": onto.size,
        "KEYS": keys.KEYS,
        "KEY_LENGTH": keys.KEY_LENGTH,
    }
    calls = [((0, 0, 0, 0, 0, 0), None)]
    return Scene("p1/render/numbers.py", "_write_numbers", names, calls, changed)


def _update_numbers(out, mantissa, numbers, written) -> Scene:
    names, changed = _written(out, numbers, written)
    calls = [((names["bytes"], 0, 0, 0), None)]
    return Scene("p1/render/numbers.py", "_update_numbers", names, calls, changed)
