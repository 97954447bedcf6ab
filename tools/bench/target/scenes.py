"""Calls of viper functions with what they find and should leave behind: recorded while CPython
runs the same functions, to be repeated on a machine."""

from array import array
from dataclasses import dataclass, field
from types import ModuleType

from bench import household
from p1 import crc16, decode, framer, obis
from p1.reading import Reading
from p1.render import page
from p1.render.json import Json

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
    calls: list[tuple[tuple, int | None]] = field(default_factory=list)
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
    """scan, derive and write_numbers for a telegram a second after another one."""
    scenes = {}
    recorders = (
        _recorder(decode, "scan", scenes, _scan),
        _recorder(decode, "derive", scenes, _derive),
        _recorder(page, "_write_numbers", scenes, _write_numbers),
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


def _scan(reading, before, end) -> Scene:
    names = {
        **_numbers(reading),
        "telegram": bytes(reading.telegram),
        "unknown": array("H", reading.unknown),
        "CODES": obis.CODES,
        "CODE_ROW": obis.CODE_ROW,
        "ROW_UNIT": obis.ROW_UNIT,
        "UNIT_RULES": obis.UNIT_RULES,
    }
    calls = [((0, bytes(before), end), None)]
    return Scene("p1/scan.py", "scan", names, calls, _changed(reading))


def _derive(reading, sums, differences) -> Scene:
    calls = [((0, sums, differences), None)]
    return Scene("p1/scan.py", "derive", _numbers(reading), calls, _changed(reading))


def _changed(reading) -> dict:
    return {"mantissa": reading.mantissa, "decimals": reading.decimals}


def _write_numbers(out, text, onto, numbers, keys) -> Scene:
    names = {
        **_numbers(numbers),
        "bytes": bytearray(onto.bytes),
        "size": onto.size,
        "_POWERS": page._POWERS,
        "ROW_UNIT": keys.ROW_UNIT,
        "TABLE": keys.TABLE,
        "KEY_AT": keys.KEY_AT,
        "KEY_LENGTH": keys.KEY_LENGTH,
    }
    calls = [((0, 0, 0, 0, 0), None)]
    return Scene("p1/render/page.py", "_write_numbers", names, calls, {"bytes": onto.bytes})
