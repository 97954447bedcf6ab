"""An ESP32-C3's instruction set (rv32imc), by unicorn from PyPI."""

from bench.target.image import BASE, STUB_ROOM, VALUES, Image, Outcome

ARCH = "rv32imc"
_RETURN = 0x00008067
_STOP = BASE - 0x1000  # a call returns to there
_STACK = 0x0080_0000
_PAGE = _STOP_ROOM = 0x1000


def _code(*instructions: int) -> bytes:
    code = b"".join(word.to_bytes(4, "little") for word in instructions)
    assert len(code) <= STUB_ROOM
    return code


def _look_up(register: int) -> bytes:
    """Returns the word of VALUES whose number is in a0 or a1."""
    return _code(
        0x00201013 | register << 15 | 10 << 7,  # slli a0, register, 2
        VALUES & 0xFFFFF000 | 0x37 | 5 << 7,  # lui t0, VALUES
        0x00550533,  # add a0, a0, t0
        0x00052503,  # lw a0, 0(a0)
        _RETURN,
    )


STUBS = (
    _code(_RETURN),
    _code(0x00000513, _RETURN),  # li a0, 0
    _look_up(10),
    _look_up(11),
    _code(0x00062503, 0xFFC52503, _RETURN),  # lw a0, 0(a2); lw a0, -4(a0)
)


def missing() -> str | None:
    """What has to be installed first."""
    try:
        import unicorn  # noqa: F401
    except ImportError:
        return "the Python package unicorn is not here: .venv/bin/pip install --group bench"
    return None


def run(image: Image) -> tuple[list[Outcome], bytes]:
    """All calls of an image one after the other, and what its memory holds then."""
    import unicorn
    from unicorn import riscv_const as riscv

    # The package takes it from a module of another name, which its types do not say.
    machine = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)  # pyright: ignore[reportPrivateImportUsage]
    machine.mem_map(_STOP, _STOP_ROOM - (-len(image.memory) // _PAGE) * _PAGE)
    machine.mem_map(_STACK - 16 * _PAGE, 16 * _PAGE)
    machine.mem_write(BASE, bytes(image.memory))
    executed = 0

    def count(*_):
        nonlocal executed
        executed += 1

    def aligned(_, access, address, size, value, data):
        # The C3 could do with less, in a slow exception; the others could not.
        assert address % size == 0, f"{size} bytes at {address:#x}"

    machine.hook_add(unicorn.UC_HOOK_CODE, count, begin=image.code, end=image.code_end - 1)
    machine.hook_add(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, aligned)
    outcomes = []
    for arguments, number in image.calls:
        executed = 0
        for register, value in (
            (riscv.UC_RISCV_REG_A0, image.this),
            (riscv.UC_RISCV_REG_A1, number),
            (riscv.UC_RISCV_REG_A2, 0),
            (riscv.UC_RISCV_REG_A3, arguments),
            (riscv.UC_RISCV_REG_SP, _STACK - 16),
            (riscv.UC_RISCV_REG_RA, _STOP),
        ):
            machine.reg_write(register, value)
        machine.emu_start(image.code, _STOP)
        outcomes.append(Outcome(machine.reg_read(riscv.UC_RISCV_REG_A0) & 0xFFFFFFFF, executed))
    return outcomes, bytes(machine.mem_read(BASE, len(image.memory)))
