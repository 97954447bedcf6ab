# Packets of multicast DNS: queries are read, answers are written (RFC 1035 §4.1, RFC 6762 §18).
#
# Anybody on the network may send anything, so nothing in here trusts a length or a pointer.
#
# What is written is not compressed: all that the dongle has to say fits one packet as it is.

from micropython import const

A = const(1)
PTR = const(12)
TXT = const(16)
SRV = const(33)
NSEC = const(47)
ANY = const(255)

_IN = const(1)
_FLUSH = const(0x8000)  # of a record's class: forget what else you have heard of it
_RESPONSE = const(0x8400)  # and authoritative
_NO_PLAIN_QUERY = const(0xF80F)  # response, opcode, error code: all 0 in a query that counts
_HEAD = const(12)
_LONGEST_NAME = const(255)
_MOST = const(24)  # questions, and known answers, that are looked at; nobody has so many for us


class Malformed(Exception):
    """No DNS packet, or one that was cut short."""


class Query:
    """id: for the answer to somebody who is not on port 5353
    questions: [(name, type)], names as read_name() gives them
    questions_end: where they end in the packet
    known: [(name, name it points to)], the answers of type PTR that need not be said again,
        because the asker will know them for long enough
    """

    def __init__(self, id):
        self.id = id
        self.questions = []
        self.questions_end = _HEAD
        self.known = []


class Record:
    """name: as encode_name() gives it; data: bytes, without names that are compressed; is_unique:
    nobody else has such a record; extras: the records that an asker will want next."""

    def __init__(self, name, type, ttl_s, data, is_unique=True):
        self.name, self.type, self.ttl_s, self.data = name, type, ttl_s, data
        self.is_unique = is_unique
        self.extras = []
        self.key = name.lower()  # names are the same in whatever case (RFC 6762 §16)
        self.sent_ms = None  # when it was last multicast, set by who does that

    def answers(self, name, type):
        """Is it an answer to the question? NSEC says that there is A and nothing else."""
        if name != self.key:
            return False
        return type == self.type or type == ANY or (self.type == NSEC and type != A)


def encode_name(*labels):
    """The name of these labels (str, at most 63 bytes each) as it stands in a packet."""
    name = b""
    for label in labels:
        label = label.encode()
        name += bytes((len(label),)) + label
    return name + b"\0"


def read_name(packet, at):
    """(the name at packet[at] as encode_name() would give it, in lower case; where it ends).
    Raises Malformed."""
    name = bytearray()
    end = None
    # A pointer leads to what stood there earlier (RFC 1035 §4.1.4); with that no loop is possible.
    before = at
    while True:
        length = _byte(packet, at)
        if length & 0xC0 == 0xC0:
            target = (length & 0x3F) << 8 | _byte(packet, at + 1)
            if target >= before:
                raise Malformed
            if end is None:
                end = at + 2
            at = before = target
            continue
        next_at = at + 1 + length
        if length & 0xC0 or next_at > len(packet) or len(name) + 1 + length > _LONGEST_NAME:
            raise Malformed
        name.extend(packet[at:next_at])
        if not length:
            return bytes(name).lower(), end or next_at
        at = next_at


def read_query(packet):
    """The Query in packet (bytes), None where it is an answer or no plain query. Raises Malformed
    where the questions cannot be read; of a packet cut short behind them, what is there counts."""
    if _two(packet, 2) & _NO_PLAIN_QUERY:
        return None
    query = Query(_two(packet, 0))
    questions, known = _two(packet, 4), _two(packet, 6)
    at = _HEAD
    for _ in range(min(questions, _MOST)):
        name, at = read_name(packet, at)
        type = _two(packet, at)
        _two(packet, at + 2)  # the class: always the internet's
        at += 4
        query.questions.append((name, type))
    query.questions_end = at
    if questions > _MOST:
        return query  # where the known answers begin nobody has looked
    try:
        for _ in range(min(known, _MOST)):
            at = _read_known(packet, at, query)
    except Malformed:
        pass
    return query


def _read_known(packet, at, query):
    name, at = read_name(packet, at)
    type = _two(packet, at)
    ttl_s = _two(packet, at + 4) << 16 | _two(packet, at + 6)
    end = at + 10 + _two(packet, at + 8)
    if type == PTR and ttl_s >= PTR_TTL_S // 2:  # RFC 6762 §7.1
        query.known.append((name, read_name(packet, at + 10)[0]))
    return end


# RFC 6762 §10: what has to do with the host's address is soon forgotten, the rest is not.
HOST_TTL_S = const(120)
PTR_TTL_S = const(4500)
_LONGEST_LEGACY_TTL_S = const(10)  # for one who cannot be told of a change (RFC 6762 §6.7)


def write_answers(page, answers, extras=(), gone=False):
    """Writes a multicast answer (lists of Record); gone: that they are no longer true (RFC 6762
    §10.1). Raises page.Full where it does not fit."""
    _head(page, 0, 0, len(answers), len(extras))
    for records in (answers, extras):
        for record in records:
            class_ = _IN | _FLUSH if record.is_unique else _IN
            _record(page, record, class_, 0 if gone else record.ttl_s)


def write_legacy_answers(page, query, packet, answers, extras):
    """Writes the answer to one who does not know of multicast DNS: an ordinary DNS answer, with
    the questions repeated from packet. Raises page.Full."""
    _head(page, query.id, len(query.questions), len(answers), len(extras))
    page.copy(packet, _HEAD, query.questions_end)
    for records in (answers, extras):
        for record in records:
            _record(page, record, _IN, min(record.ttl_s, _LONGEST_LEGACY_TTL_S))


def _head(page, id, questions, answers, extras):
    page.size = 0
    for number in (id, _RESPONSE, questions, answers, 0, extras):
        _put(page, number)


def _record(page, record, class_, ttl_s):
    page.put(record.name)
    for number in (record.type, class_, ttl_s >> 16, ttl_s & 0xFFFF, len(record.data)):
        _put(page, number)
    page.put(record.data)


def _put(page, number):
    page.byte(number >> 8)
    page.byte(number & 0xFF)


def _byte(packet, at):
    if at >= len(packet):
        raise Malformed
    return packet[at]


def _two(packet, at):
    return _byte(packet, at) << 8 | _byte(packet, at + 1)
