# What is answered to a request.

import json

TEXT = "text/plain; charset=us-ascii"


class Response:
    """body: bytes-like; or several of these in a tuple; or a generator of pieces, for what is too
    long to be in memory as a whole; length: of all of them, where it is known. They are gathered,
    so they may be small."""

    length = None
    latest = None  # the Latest, where the body is views of what it has

    def __init__(self, body, content_type="application/json", status=200, headers=b""):
        self.body, self.content_type, self.status = body, content_type, status
        self.headers = headers  # more of them, each ended by CR LF


def refusal(status, text, headers=b""):
    """An error, with its reason as JSON."""
    return Response(json.dumps({"error": text}).encode(), status=status, headers=headers)
