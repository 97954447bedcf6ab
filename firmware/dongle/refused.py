# What is not done for who asks for it by HTTP.


class Refused(Exception):
    """A request that gets no answer but this status and text (str)."""

    def __init__(self, status, text):
        self.status, self.text = status, text
