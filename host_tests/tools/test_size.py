"""The budget of each file of the packed firmware is kept, and would complain if it were not."""

import size

SIZES = {"p1/obis": 5_000, "p1/cipher": 4_096}
SIZES |= {file: 1024 * kib - 500 for file, kib in size._LARGER_KIB.items() if file not in SIZES}


def test_the_firmware_keeps_its_budget():
    assert size.too_large({arch: size.files(arch) for arch in size.ARCHES}) == []


def test_what_keeps_its_budget_is_let_pass():
    assert size.too_large({"xtensawin": SIZES, "rv32imc": SIZES}) == []


def test_what_is_too_large_is_named_with_its_architecture():
    larger = {**SIZES, "p1/cipher": 4_097}
    assert size.too_large({"xtensawin": SIZES, "rv32imc": larger}) == [
        "p1/cipher: 4,097 bytes for rv32imc, of 4,096"
    ]
    many = SIZES | {f"p1/{number}": 4_000 for number in range(60)}
    assert size.too_large({"xtensawin": many}) == [
        f"all: {sum(many.values()):,} bytes for xtensawin, of 196,608"
    ]


def test_a_budget_that_is_no_longer_needed_is_named():
    smaller = {**SIZES, "p1/obis": 3_072}
    assert size.too_large({"xtensawin": smaller}) == [
        "p1/obis: a budget of 5 KiB is 2 KiB too much"
    ]
