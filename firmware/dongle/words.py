# What the codes of /health mean, in English. Where values belong into the words, such as a number
# or a name, the words are where the code is. Loaded only while words are needed.

TEMPORARY = True  # see forget()

# In each line a code and its words. A code that is not here is its own words: "no_cable" means "no
# cable". Several tables, because the chip often has no long block of memory free.
_TABLES = (
    b"""
no_address no address from the router
other_security the network uses another kind of security
connection_closed the broker closed the connection
""",
    b"""
broker_full the broker accepts no more data
broker_silent the broker has stopped answering
half_packet the broker stopped in the middle of a packet
""",
    b"""
malformed_packet the broker sent a malformed packet
packet_too_long the broker sent a packet that is too long
network_full the network accepts no more data
""",
    b"""
waiting_for_network waiting for the network
lines_refused the server cannot use these lines; they are dropped
telegram_refused the server cannot use the telegram
""",
    b"""
wrong_login wrong token, user or password
wrong_token wrong token (the API key in dsmr-reader's admin pages)
not_allowed the token or user may not write there
""",
    b"""
no_bucket no such bucket, database or path
no_api no API at this url
api_off the API is switched off (dsmr-reader's admin pages, API)
server_busy the server is busy
""",
    b"""
server_error the server has an internal error
unexpected_status unexpected answer: is the url right?
""",
)


def of(code: str) -> str:
    """Returns the words of a code."""
    start = b"\n" + code.encode() + b" "
    for lines in _TABLES:
        at = lines.find(start)
        if at >= 0:
            at += len(start)
            return lines[at : lines.find(b"\n", at)].decode()
    return code.replace("_", " ")
