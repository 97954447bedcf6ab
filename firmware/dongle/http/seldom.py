# Documents that clients seldom request. Loaded for one answer and then forgotten.

import os
import sys

from micropython import const

from .response import Response, refusal

TEMPORARY = True  # see forget()

_PIECE = const(256)


def page(path: str) -> Response:
    """Returns a page from the folder web."""
    # The folder is beside the packages. In a build, the pages are compressed.
    for folder in sys.path:
        found = folder + "/" + path if folder else path
        for ending, headers in ((".gz", b"Content-Encoding: gzip\r\n"), ("", b"")):
            try:
                length = os.stat(found + ending)[6]
            except OSError:
                continue
            pieces = _pieces(found + ending)
            response = Response(pieces, "text/html; charset=utf-8", headers=headers)
            response.length = length  # pyright: ignore[reportAttributeAccessIssue]
            return response
    return refusal(404, "no_page", path + " is not on this dongle; run `make deploy`")


def _pieces(path):
    piece = bytearray(_PIECE)
    with open(path, "rb") as file:
        while True:
            count = file.readinto(piece)
            if not count:
                return
            yield memoryview(piece)[:count]


def bad_telegram(framer, content_type: str) -> Response:
    """Returns the last damaged telegram."""
    if framer.bad_reason is None:
        return refusal(404, "no_bad_telegram", "no damaged telegram since the start")
    reason = framer.bad_reason
    if reason == "crc":
        reason += "; computed %04X" % framer.bad_crc
    return Response(
        memoryview(framer.bad)[: framer.bad_size],
        content_type,
        headers=b"X-Reason: %s\r\n" % reason.encode(),
    )
