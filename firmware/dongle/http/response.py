# The answer to a request.

import json

from .. import forget

TEXT = "text/plain; charset=us-ascii"


class Response:
    """body: bytes-like, a tuple of these, or a generator of pieces if the whole body is too long
    for the memory. The pieces may be small: the server gathers them before it sends. length: the
    length of all pieces together, if it is known."""

    length = None

    def __init__(self, body, content_type="application/json", status=200, headers=b""):
        self.body, self.content_type, self.status = body, content_type, status
        self.headers = headers  # more headers, each with CR LF at the end


def refusal(status: int, code: str, text: str | None = None, headers: bytes = b"") -> Response:
    """Returns an error answer as JSON. code: a short word that never changes, for programs; text:
    the reason in words, None if reasons.py has it."""
    text = json.dumps(text or words(code))
    return Response(
        b'{"error": %s, "code": "%s"}' % (text.encode(), code.encode()),
        status=status,
        headers=headers,
    )


def words(code: str) -> str:
    """Returns what the code of an error answer means, in English."""
    from .reasons import words

    forget()
    return words(code)
