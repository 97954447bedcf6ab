# The exception for an HTTP request that the dongle refuses.


class Refused(Exception):
    """Its arguments are those of response.refusal(): a status, a code and the text, which may be
    missing if reasons.py has it."""
