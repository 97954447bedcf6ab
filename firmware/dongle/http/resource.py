# A path with more methods than GET.

from micropython import const

from .response import refusal

TEMPORARY = True  # see forget()

BODY_BYTES = const(2048)


class Resource:
    """views: method (bytes) -> a function that returns a Response. The function for GET, also used
    for HEAD, has no argument. The others get the request's body as a stream and may be coroutines.
    refuse(status, code, text, headers) makes this path's error answers. needs_password: whether
    methods other than GET need the owner's password."""

    most = BODY_BYTES  # the longest body; None: no limit, and the function reads it piece by piece
    refuse = staticmethod(refusal)
    needs_password = True

    def __init__(self, views, refuse=refusal, needs_password=True):
        self.views, self.refuse, self.needs_password = views, refuse, needs_password

    def view(self, path: bytes, method: bytes):
        """Returns the function for a method that is in views."""
        return self.views[method]
