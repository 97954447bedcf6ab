# The small JSON files on the flash. They are replaced as a whole.

import json
import os

TEMPORARY = True  # see forget()

BOARD_PATH = "board.json"


def save(document: dict, path: str) -> None:
    """Writes document so that a power cut, or a full flash, leaves either the old file or the new
    one. Raises OSError."""
    temporary = path + ".new"
    try:
        with open(temporary, "w") as file:
            json.dump(document, file)
        os.rename(temporary, path)
    except OSError:
        # The temporary file must not fill the flash.
        try:
            os.remove(temporary)
        except OSError:
            pass
        raise


def load_board(path: str = BOARD_PATH) -> dict:
    """Returns the board's profile. Raises OSError or ValueError if it cannot be read."""
    with open(path) as file:
        return json.load(file)
