"""A campaign of faults, shorter than that of `make soak`: each fault once, and none for long."""

import pytest

import rig
from soak.campaign import Campaign

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def campaign_and_outcomes():
    campaign = Campaign(calm_s=30, longest_s=60)
    try:
        return campaign, list(campaign.run())
    except rig.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def campaign(campaign_and_outcomes):
    return campaign_and_outcomes[0]


@pytest.fixture
def outcomes(campaign_and_outcomes):
    return campaign_and_outcomes[1]


@pytest.mark.timeout(1200)  # for what hangs: beside others it may take many minutes
def test_every_fault_passes_and_all_is_back_in_time(campaign, outcomes):
    print("\n".join(campaign.said[-20:]))
    assert {each.fault: each.problems for each in outcomes if each.problems} == {}
    assert len(outcomes) >= 60


def test_nothing_was_wrong(campaign):
    assert campaign.problems == []


@pytest.mark.timeout(1200)
def test_what_happens_again_and_again_takes_no_more_memory():
    faults = ("noise between telegrams", "Wi-Fi gone for 5 seconds", "a flood of wrong passwords")
    campaign = Campaign(calm_s=30, longest_s=60, rounds=7, faults=faults)
    try:
        assert [each.problems for each in campaign.run()] == [[]] * 21
    except rig.Missing as missing:
        pytest.skip(str(missing))
    assert campaign.problems == []
    assert campaign.growth < 256


def test_the_world_did_what_it_was_asked_to(campaign, outcomes):
    """Faults were felt, else nothing was proven: some interface had to wait."""
    assert campaign.sent > 5_000
    assert min(campaign.served.values()) > 1_000
    assert campaign.resets >= 10
    back_ms = [max(each.back_ms.values()) for each in outcomes]
    assert max(back_ms) > 600_000
