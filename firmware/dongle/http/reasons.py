# What an error answer says: the reason phrase of its status, and in words what its code means.
# Loaded for one answer.

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

# In each line a code and its words, for refusals that do not bring words of their own. Short for
# the same reason. A code that is not here is its own words: "no_telegram" means "no telegram".
_WORDS = (
    b"""
bad_request not a valid HTTP request
wrong_http_version only HTTP/1.0 and HTTP/1.1 are supported
no_host_header the request has no Host header
""",
    b"""
no_content_length a body needs a Content-Length that is a number
repeated_header a header that may be there only once is there twice
unknown_host unknown host name; use the IP address
""",
    b"""
head_too_large the head of the request is longer than 1024 bytes
out_of_memory not enough memory at the moment; try again
internal_error internal error; see /health
""",
    b"""
no_meter_clock no telegram with a clock has arrived yet
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


def words(code: str) -> str:
    """Returns the words of a code."""
    start = b"\n" + code.encode() + b" "
    for lines in _WORDS:
        at = lines.find(start)
        if at >= 0:
            at += len(start)
            return lines[at : lines.find(b"\n", at)].decode()
    return code.replace("_", " ")
