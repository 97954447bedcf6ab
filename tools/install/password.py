"""The owner's password: the dongle gets only what it needs to know it again."""

import hashlib
import secrets

from rich.prompt import Prompt

from install import InstallError

# What an ESP32 works out in about a second. So few do not protect a weak password from whoever
# has the flash; from the network the pauses after wrong ones do.
_ITERATIONS = 1000
_SHORTEST, _LONGEST = 8, 128
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that looks like another


def hashed(password: str) -> str:
    """What config.json has as http.password_hash. Raises InstallError."""
    if not _SHORTEST <= len(password) <= _LONGEST:
        raise InstallError(f"the owner's password needs {_SHORTEST} to {_LONGEST} characters")
    salt = secrets.token_bytes(16)
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    return f"pbkdf2-sha256${_ITERATIONS}${salt.hex()}${key.hex()}"


def generated() -> str:
    """20 letters in groups of five, 100 bits."""
    groups = ["".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4)]
    return "-".join(groups)


def ask() -> str:
    """Twice, unseen; empty where one shall be generated. Raises InstallError."""
    password = Prompt.ask("Owner's password (Enter: make one)", password=True, default="")
    if password and Prompt.ask("again", password=True, default="") != password:
        raise InstallError("that was another password; nothing is written")
    return password
