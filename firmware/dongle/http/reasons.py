# The reason phrases of HTTP statuses other than 200. Loaded for one answer.

TEMPORARY = True  # see forget()

# Two tables, because the chip often has no long block of memory free.
_REASONS = (
    b"""
302 Found
400 Bad Request
401 Unauthorized
403 Forbidden
404 Not Found
405 Method Not Allowed
409 Conflict
413 Content Too Large
""",
    b"""
421 Misdirected Request
429 Too Many Requests
431 Request Header Fields Too Large
500 Internal Server Error
502 Bad Gateway
503 Service Unavailable
505 HTTP Version Not Supported
507 Insufficient Storage
""",
)


def line(status) -> bytes:
    """Returns the status and its reason phrase."""
    status = b"%d " % status
    for lines in _REASONS:
        at = lines.find(b"\n" + status)
        if at >= 0:
            return lines[at + 1 : lines.find(b"\n", at + 1)]
    return status
