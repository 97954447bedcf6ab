"""Says at the end of a run which tests it left out, and how to run them."""

from collections import Counter

import pytest

# Each worker of pytest-xdist chooses all tests for itself, and tells how many it left out.
_SLOW = pytest.StashKey[int]()


def pytest_configure(config):
    config.stash[_SLOW] = 0


def pytest_deselected(items):
    if items and all(item.get_closest_marker("slow") for item in items):
        config = items[0].config
        if config.option.markexpr == "not slow":  # and not by their names
            config.stash[_SLOW] += len(items)


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash[_SLOW]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    told = getattr(node, "workeroutput", {}).get("left_out", 0)
    node.config.stash[_SLOW] = max(node.config.stash[_SLOW], told)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # after pytest's own list of failures
def pytest_terminal_summary(terminalreporter, config):
    yield
    if slow := config.stash[_SLOW]:
        terminalreporter.write_line(
            f"left out: {_tests(slow, 'slow ')}: `make test-all` runs them"
        )
    skipped = terminalreporter.stats.get("skipped", [])
    for reason, count in Counter(map(_reason, skipped)).most_common():
        terminalreporter.write_line(f"left out: {_tests(count)}: {reason}")
    is_everything = not config.option.markexpr and config.args_source.name == "TESTPATHS"
    if is_everything and not config.option.keyword:
        terminalreporter.write_line(
            "left out, because they take longer: `make bench`, `make fuzz`, `make fuzz-http`, "
            "`make soak`"
        )


def _tests(count: int, kind: str = "") -> str:
    return f"{count} {kind}test{'s' if count != 1 else ''}"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    assert isinstance(report.longrepr, tuple), report.longrepr
    _, _, reason = report.longrepr  # (file, line, reason)
    return " ".join(reason.removeprefix("Skipped: ").split())
