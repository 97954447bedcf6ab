# The exception for an HTTP request that the dongle refuses.


class Refused(Exception):
    """The request is answered with this status and text (str)."""

    def __init__(self, status, text):
        self.status, self.text = status, text
