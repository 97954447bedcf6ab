# The small JSON files on the flash: read whole, and replaced whole, so that a power cut leaves
# either the old one or the new one.

import json
import os

BOARD_PATH = "board.json"


def save(document, path):
    """Writes document so that a power cut, or a full flash, leaves either the old file or the new
    one. Raises OSError."""
    temporary = path + ".new"
    try:
        with open(temporary, "w") as file:
            json.dump(document, file)
        os.rename(temporary, path)
    except OSError:
        # It must not take the last room on a full flash.
        try:
            os.remove(temporary)
        except OSError:
            pass
        raise


def load_board(path=BOARD_PATH):
    """The board's profile as a dict; raises OSError or ValueError where there is none."""
    with open(path) as file:
        return json.load(file)
