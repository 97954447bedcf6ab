"""Other people's telegrams that are none: broken, unproven or cut. test_every_meter.py has those
that are good."""

import pytest

from conftest import Receiver, found_telegrams, needs_telegrams
from p1.framer import CRC, FRAMING

pytestmark = needs_telegrams


@pytest.mark.parametrize("found", found_telegrams("BAD"), ids=str)
def test_a_wrong_crc_is_rejected_as_such(found):
    receiver = Receiver()
    assert receiver.feed(found.data) == []
    assert receiver.framer.bad_reason == CRC


@pytest.mark.parametrize("found", found_telegrams("NOCRC"), ids=str)
def test_without_a_crc_nothing_is_proven(found):
    receiver = Receiver()
    assert receiver.feed(found.data) == []
    assert receiver.framer.bad_reason == FRAMING


@pytest.mark.parametrize("found", found_telegrams("PARTIAL"), ids=str)
def test_a_part_of_a_telegram_is_none(found):
    receiver = Receiver()
    assert receiver.feed(found.data, found.data) == []
    receiver.framer.reset()
    assert receiver.framer.good == 0
