"""Executed instructions of the shipped machine code; every result is held against CPython's."""

from collections.abc import Iterator
from types import ModuleType

import rig
from bench.figures import Figure
from bench.target import riscv, scenes, xtensa
from bench.target.image import Image, Outcome, read
from bench.target.mpy import viper_functions
from bench.target.scenes import Scene

MACHINES = {xtensa: 20, riscv: 22}  # with the most instructions per byte that the CRC may take
ODD_SIZES = [1, 7, 120, 119, 33, 120, 5, 64, 127] * 9
CHUNKS = [120] * 20


def run(machine: ModuleType, scene: Scene) -> list[Outcome]:
    """AssertionError where the machine found something else than CPython."""
    function = viper_functions(rig.ROOT / "firmware" / scene.source, machine.ARCH)[scene.function]
    image = Image(function, machine.STUBS)
    places = {}

    def placed(value, offset: int = 0) -> int:
        if isinstance(value, int):
            return value
        if id(value) not in places:
            places[id(value)] = image.place(value, len(value), offset)
        return places[id(value)]

    for name, value in scene.names.items():
        image.name(name, placed(value))
    for arguments, _ in scene.calls:
        image.call(*[placed(value, scene.offset) for value in arguments])
    outcomes, memory = machine.run(image)
    for (arguments, result), outcome in zip(scene.calls, outcomes, strict=True):
        assert result in (None, outcome.result), (machine.ARCH, scene.function, arguments[1:])
    for name, expected in scene.after.items():
        assert read(memory, placed(scene.names[name]), len(expected)) == expected, name
    return outcomes


def crc_per_byte(machine: ModuleType, sizes: list[int] | None = None) -> float:
    covered = scenes.telegram()[:-6]
    scene = scenes.crc_of_chunks(covered, sizes) if sizes else scenes.crc_of(covered)
    return sum(outcome.instructions for outcome in run(machine, scene)) / len(covered)


def prove_odd_addresses(machine: ModuleType) -> None:
    for offset in range(4):
        run(machine, scenes.crc_of_odds(bytes(range(40, 140)), offset))


def other_scenes() -> list[Scene]:
    return [*scenes.framer_of(scenes.telegram()), *scenes.decode_and_json()]


def figures() -> Iterator[Figure]:
    """Raises rig.Missing after the figures of the machines that are here."""
    reasons = {machine: machine.missing() for machine in MACHINES}
    for machine, at_most in MACHINES.items():
        if reasons[machine]:
            continue
        arch = machine.ARCH
        prove_odd_addresses(machine)
        yield Figure(
            f"crc_{arch}_instructions_per_byte",
            crc_per_byte(machine),
            "p1/crc16.update of the .mpy over a whole telegram, result checked",
            at_most,
        )
        yield Figure(
            f"crc_{arch}_instructions_per_byte_in_chunks",
            crc_per_byte(machine, CHUNKS),
            "the same, 120 bytes a call",
            at_most,
        )
        yield Figure(
            f"crc_{arch}_instructions_per_byte_in_odd_chunks",
            crc_per_byte(machine, ODD_SIZES),
            "1 to 127 bytes a call, odd starts; all alignments and lengths up to 20 proven",
        )
        for scene in other_scenes():
            name = scene.function.strip("_")
            yield Figure(
                f"{name}_{arch}_instructions",
                sum(outcome.instructions for outcome in run(machine, scene)),
                "scan, write numbers: the first telegram; else one a second after the last; "
                "without the runtime's look-ups",
                show=lambda value: f"{value:,.0f}",
            )
    if missing := [f"{machine.ARCH}: {reason}" for machine, reason in reasons.items() if reason]:
        raise rig.Missing("; ".join(missing))
