# The answer to a request.

import json

TEXT = "text/plain; charset=us-ascii"


class Response:
    """body: bytes-like, a tuple of these, or a generator of pieces if the whole body is too long
    for the memory. The pieces may be small: the server gathers them before it sends. length: the
    length of all pieces together, if it is known."""

    length = None

    def __init__(self, body, content_type="application/json", status=200, headers=b""):
        self.body, self.content_type, self.status = body, content_type, status
        self.headers = headers  # more headers, each with CR LF at the end


def refusal(status: int, text: str, headers: bytes = b"") -> Response:
    """Returns an error answer with its reason as JSON."""
    return Response(json.dumps({"error": text}).encode(), status=status, headers=headers)
