# What a path offers that has more than GET.

from micropython import const

from .response import refusal

BODY_BYTES = const(2048)


class Resource:
    """Functions by method (bytes), which return a Response. That of GET, for HEAD too, has no
    argument; the others get the request's body, a stream, and may be coroutines. refuse(status,
    text, headers) words this path's errors. needs_password: whether what is no GET needs the
    owner's."""

    most = BODY_BYTES  # of a body; None: any number, the function takes it as it comes
    refuse = staticmethod(refusal)
    needs_password = True

    def __init__(self, views, refuse=refusal, needs_password=True):
        self.views, self.refuse, self.needs_password = views, refuse, needs_password

    def view(self, path, method):
        """The function; `method` is one of the views."""
        return self.views[method]
