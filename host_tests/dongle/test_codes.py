"""The codes beside the words of /health and of errors: all are documented and have words."""

import ast
import re

import pytest

import pages
import rig
from codes import DOCUMENTED
from dongle import words
from dongle.http import reasons

FIRMWARE = rig.ROOT / "firmware" / "dongle"
CODE = re.compile(r"[a-z]+(_[a-z0-9]+)*")

# Calls that take a code, and at which place.
CALLS = {"Refused": 1, "refusal": 1, "refuse": 1}
CALLS |= {"Lost": 0, "Untrusted": 0, "Failed": 0, "_tell": 0}
# Functions that return a code, or a tuple in which it has this place.
RETURNS = dict.fromkeys(("why", "explain", "_refusal"), 0)
RETURNS |= dict.fromkeys(("refuse", "_judge", "_take", "_wait"), 1)
# Names and members of dictionaries whose value is a code.
NAMES = {
    "code",
    "_code",
    "codes",
    "_CODES",
    "problem",
    "_lacking",
    "_TAKEN",
    "_WAITING",
    "_CLOSED",
}
NAMES |= {"WRONG_PASSWORD"}


def texts(node):
    """The codes that an expression may have."""
    if isinstance(node, ast.Constant):
        return {node.value} if isinstance(node.value, str) else set()
    if isinstance(node, ast.IfExp):
        return texts(node.body) | texts(node.orelse)
    if isinstance(node, ast.BoolOp):
        return set().union(*map(texts, node.values))
    if isinstance(node, ast.Dict):
        return set().union(*map(texts, node.values))
    if isinstance(node, ast.Call):  # codes.get(status, "unexpected_status")
        is_get = getattr(node.func, "attr", "") == "get" and len(node.args) == 2
        return texts(node.args[1]) if is_get else set()
    if isinstance(node, ast.Tuple):
        return texts(node.elts[0])
    return set()


def name_of(node):
    if isinstance(node, ast.Subscript):  # state["code"]
        return getattr(node.slice, "value", None)
    return getattr(node, "attr", None) or getattr(node, "id", None)


def assigned(target, value):
    """(name, value) of an assignment, also of one to several names."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, other in zip(target.elts, value.elts, strict=True):
            yield from assigned(one, other)
    elif isinstance(target, ast.Tuple):
        yield name_of(target.elts[0]), value
    else:
        yield name_of(target), value


def of_function(function):
    place = RETURNS.get(function.name)
    if place is None:
        return
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            yield from texts(node.value.elts[place])


def of_file(path):
    """The codes in a file of the firmware."""
    source = path.read_text()
    found = set(re.findall(r'"code": ?"(\w+)"', source))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (name := name_of(node.func)) in CALLS:
            place = CALLS[name]
            if len(node.args) > place:
                found |= texts(node.args[place])
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                for name, value in assigned(target, node.value):
                    if name in NAMES:
                        found |= texts(value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "code":
                    found |= texts(value)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found |= set(of_function(node))
    return {code for code in found if code}


def of_firmware():
    found = {path: of_file(path) for path in sorted(FIRMWARE.rglob("*.py"))}
    return {path: codes for path, codes in found.items() if codes}


CODES = of_firmware()
KNOWN = set().union(*CODES.values())


def tables(module, name):
    """{code: words} of the firmware."""
    lines = b"".join(getattr(module, name)).decode().split("\n")
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in lines if line}


# --- In the sources ---


def test_codes_are_found():
    """In each way in which a code is written, so that none escapes the tests below."""
    files = {str(path.relative_to(FIRMWARE)) for path in CODES}
    assert {"silence.py", "net/lan.py", "push/influx.py", "setup/portal.py"} <= files
    assert {"not_started", "unexpected_status", "wrong_password", "safe_mode", "no_json"} <= KNOWN
    assert len(KNOWN) > 80


@pytest.mark.parametrize("path", CODES, ids=lambda path: path.stem)
def test_a_code_is_a_short_word(path):
    for code in CODES[path]:
        assert CODE.fullmatch(code) and len(code) <= 24, code


def test_every_code_is_documented_and_no_other():
    assert KNOWN ^ DOCUMENTED.keys() == set()


def test_words_are_of_codes_that_there_are():
    of_health, of_errors = tables(words, "_TABLES"), tables(reasons, "_WORDS")
    assert of_health.keys() | of_errors.keys() <= KNOWN
    assert not of_health.keys() & of_errors.keys(), "one of them is not found"
    for code, text in of_health.items():
        assert words.of(code) == text
    for code, text in of_errors.items():
        assert reasons.words(code) == text
    assert words.of("no_cable") == "no cable"
    assert reasons.words("no_telegram") == "no telegram"


def test_a_table_needs_no_long_block_of_memory():
    for table in (*words._TABLES, *reasons._WORDS):
        assert len(table) < 512


# --- On the pages ---

# What they show in the dongle's English words: seldom, or with names and numbers in them.
IN_ENGLISH = {
    "index": {
        "no_end", "no_port", "safe_mode", "other_security", "unknown_status", "not_started",
        "no_connection", "name_not_found", "broker_silent", "half_packet", "broker_full",
        "network_full", "malformed_packet", "packet_too_long", "not_mqtt", "wrong_mqtt_version",
        "not_allowed", "client_id_refused", "broker_unavailable", "session_refused",
        "waiting_for_clock", "no_ca", "wrong_ca", "certificate_refused", "tls_refused", "no_tls",
        "tls_failed", "out_of_memory",
    },
    "setup": {"unknown_status", "driver_error", "not_saved"},
}  # fmt: skip
PLACES = {"index": {"health", "wifi", "ethernet", "mqtt"}, "setup": {"portal"}}


@pytest.mark.parametrize("page", PLACES)
def test_a_page_has_words_for_the_codes_that_it_meets(page):
    """In every language: pages.texts() raises an error where a language lacks a word."""
    translated = {
        key.removeprefix("code_") for key in pages.texts(page) if key.startswith("code_")
    }
    met = {code for code, where in DOCUMENTED.items() if where & PLACES[page]}
    assert translated <= met
    assert met - translated == IN_ENGLISH[page]
