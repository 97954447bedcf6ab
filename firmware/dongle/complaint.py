# Messages about what is wrong with a config.

import json

from p1 import country

TEMPORARY = True  # see forget()


def in_words(problems: list) -> list:
    """Turns the problems that fields.check() has found into a list of str."""
    return [_in_words(*problem) for problem in problems]


def _in_words(name, kind, limits, got):
    """limits: the default and then the limits of the kind, or the known keys. got: the value, or
    an Ellipsis if the value must not be shown."""
    if kind == "unknown":
        return f"{name}: unknown key, expected one of {_names(limits)}"
    if kind == "closed":
        return f"{name}: needs http.password_hash; without it nobody can read by HTTP"
    if kind == "object":
        return f"{name}: expected an object with {_names(limits)}, got {_sort(got)}"
    return f"{name}: expected {_expected(kind, *limits)}, got {_shown(got)}"


def _expected(kind, *limits):
    if kind == "on" or kind == "off":
        return "true or false"
    if kind == "whole":
        return "a whole number from {1} to {2}".format(*limits)
    if kind == "choice" or kind == "number":
        return "one of " + ", ".join([str(choice) for choice in limits])
    if kind == "country":
        return "one of " + _names(country.CODES)
    if kind == "key":
        return "32 hexadecimal digits"
    if kind == "hash":
        return 'the hash of a password, as `make configure ARGS="--owner-password"` writes it'
    if kind == "word":
        return "up to {2} printable ASCII characters without spaces".format(*limits)
    if kind == "url" or kind == "write_url":
        text = "http://host:port/path in up to {2} characters (no https, no user before @)"
        if kind == "write_url":
            text += ", with precision=s if it has a precision"
    else:
        text = "text of {1} to {2} bytes"
        if kind == "topic":
            text += ' without + # % " and \\, and without / at its start or end'
    return text.format(*limits)


def _names(table):
    return ", ".join(sorted(table))


def _sort(value):
    # Never shows the value itself: there may be a secret in it.
    if isinstance(value, list):
        return "a list"
    return "text" if isinstance(value, str) else "something else"


def _shown(value):
    if isinstance(value, (list, dict)) or value is ...:
        return _sort(value)
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
