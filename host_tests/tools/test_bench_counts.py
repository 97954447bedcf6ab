"""What must never grow unnoticed: bytes, instructions, writes. Time is for `make bench`."""

import pytest

import rig
from bench import clients, garbage, loop, sizes
from bench.target import counts


def _needs_micropython():
    try:
        rig.micropython()
    except rig.Missing as missing:
        pytest.skip(str(missing))


def test_a_telegram_leaves_no_garbage():
    _needs_micropython()
    (bytes_per_telegram,) = garbage.measure("", "64 bits")
    assert bytes_per_telegram.value == 0


def test_a_telegram_leaves_no_garbage_on_32_bits(micropython_on_32_bits):
    options = {"micropython": micropython_on_32_bits.command}
    (bytes_per_telegram,) = garbage.measure("", "32 bits", **options)
    assert bytes_per_telegram.value == 0


def test_the_loop_leaves_little_and_writes_once():
    _needs_micropython()
    found = loop.measure()
    assert found["bytes"] <= 3072
    assert found["writes"] == 1


@pytest.mark.slow
def test_a_request_leaves_little_on_32_bits(micropython_on_32_bits):
    found = loop.measure(micropython_on_32_bits.command)
    assert found["request_bytes"] <= loop.REQUEST_BYTES


@pytest.mark.slow
def test_a_tcp_client_costs_one_write_a_telegram_and_no_garbage_of_its_own():
    _needs_micropython()
    telegrams, requests = clients.measure(times=1, seconds=50)
    # A ping to the broker may come in between.
    assert [round(cost.writes, 1) for cost in telegrams] == [1, 2, 3, 4, 5]
    # Three clients more, of which each would leave a block of 32 bytes at least. What the dongle
    # does once a second counts too, and on a busy machine seconds differ.
    assert telegrams[4].bytes - telegrams[1].bytes < 3 * 32
    assert requests[2].bytes < 1.2 * requests[0].bytes


@pytest.mark.parametrize("machine", counts.MACHINES, ids=lambda machine: machine.ARCH)
def test_the_crc_on_the_chips_own_instruction_set(machine):
    if reason := machine.missing():
        pytest.skip(reason)
    counts.prove_odd_addresses(machine)
    assert counts.crc_per_byte(machine) <= counts.MACHINES[machine]
    assert counts.crc_per_byte(machine, counts.CHUNKS) <= counts.MACHINES[machine]
    counts.crc_per_byte(machine, counts.ODD_SIZES)  # the results are right


@pytest.mark.parametrize("machine", counts.MACHINES, ids=lambda machine: machine.ARCH)
def test_scan_derive_and_numbers_on_the_chips_own_instruction_set(machine):
    if reason := machine.missing():
        pytest.skip(reason)
    for scene in counts.other_scenes():
        counts.run(machine, scene)


@pytest.mark.slow
def test_the_sizes_of_the_files_are_told():
    told = {figure.name: figure for figure in sizes.figures()}
    assert told["mpy_bytes_dongle_app"].value > 5_000 and len(told) > 60
