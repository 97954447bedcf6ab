# What the status of an HTTP answer is called, where it is not 200. Loaded for one answer.

# In one piece, which takes no memory where the firmware is frozen.
_REASONS = b"""
302 Found
400 Bad Request
401 Unauthorized
403 Forbidden
404 Not Found
405 Method Not Allowed
409 Conflict
413 Content Too Large
421 Misdirected Request
429 Too Many Requests
431 Request Header Fields Too Large
500 Internal Server Error
502 Bad Gateway
503 Service Unavailable
505 HTTP Version Not Supported
507 Insufficient Storage
"""


def line(status):
    """The status and its reason, bytes."""
    status = b"%d " % status
    at = _REASONS.find(b"\n" + status)
    return status if at < 0 else _REASONS[at + 1 : _REASONS.find(b"\n", at + 1)]
