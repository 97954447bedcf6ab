# Packets of multicast DNS: reads queries and writes answers (RFC 1035 §4.1, RFC 6762 §18).
#
# Any device on the network can send any packet, so every length and every pointer is checked.
#
# Answers are written without compression: all records of the dongle fit in one packet.

from micropython import const

A = const(1)
PTR = const(12)
TXT = const(16)
SRV = const(33)
NSEC = const(47)
ANY = const(255)

_IN = const(1)
_FLUSH = const(0x8000)  # bit in a record's class: the receiver drops older records of this name
_RESPONSE = const(0x8400)  # flags: an answer, and authoritative
_NO_PLAIN_QUERY = const(0xF80F)  # response, opcode, error code: all 0 in a plain query
_HEAD = const(12)
_LONGEST_NAME = const(255)
_MOST = const(24)  # questions and known answers that are read; a real query for us has fewer


class Malformed(Exception):
    """The packet is not DNS, or it was cut short."""


class Query:
    """id: needed in the answer if the query does not come from port 5353
    questions: [(name, type)], names as read_name() returns them
    questions_end: position in the packet behind the questions
    known: [(name, name it points to)], the answers of type PTR that need not be sent, because the
        sender of the query already has them for long enough
    """

    def __init__(self, id):
        self.id = id
        self.questions = []
        self.questions_end = _HEAD
        self.known = []


class Record:
    """name: as encode_name() returns it; data: bytes, with uncompressed names; is_unique: no other
    device has a record of this name and type; extras: the records that a client will ask for
    next."""

    def __init__(self, name, type, ttl_s, data, is_unique=True):
        self.name, self.type, self.ttl_s, self.data = name, type, ttl_s, data
        self.is_unique = is_unique
        self.extras = []
        self.key = name.lower()  # case does not matter in names (RFC 6762 §16)
        self.sent_ms = None  # uptime of its last multicast, set by mdns_responder.py

    def answers(self, name: bytes, type: int) -> bool:
        """Returns whether this record answers the question. NSEC says that the name has an A
        record and no other."""
        if name != self.key:
            return False
        return type == self.type or type == ANY or (self.type == NSEC and type != A)


def encode_name(*labels: str) -> bytes:
    """Returns the name with these labels (at most 63 bytes each) as it is in a packet."""
    name = b""
    for label in labels:
        label = label.encode()
        name += bytes((len(label),)) + label
    return name + b"\0"


def read_name(packet: bytes, at: int) -> tuple:
    """Returns (the name at packet[at] in lower case, as from encode_name(); the position behind
    it). Raises Malformed."""
    name = bytearray()
    end = None
    # A pointer always points to an earlier position (RFC 1035 §4.1.4), so no loop is possible.
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


def read_query(packet: bytes) -> Query | None:
    """Returns the Query in packet, or None if it is an answer or not a plain query. Raises
    Malformed if the questions cannot be read. If the packet is cut short behind the questions,
    the Query has what could be read."""
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
        return query  # not all questions were read: the start of the known answers is unknown
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


# RFC 6762 §10: a short lifetime for records with the host's name or address, a long one otherwise.
HOST_TTL_S = const(120)
PTR_TTL_S = const(4500)
_LONGEST_LEGACY_TTL_S = const(10)  # for clients that cannot hear of a change (RFC 6762 §6.7)


def write_answers(page, answers: list, extras: list | tuple = (), gone: bool = False) -> None:
    """Writes a multicast answer on the page. answers, extras: lists of Record; gone: says that the
    records are no longer valid (RFC 6762 §10.1). Raises page.Full if it does not fit."""
    _head(page, 0, 0, len(answers), len(extras))
    for records in (answers, extras):
        for record in records:
            class_ = _IN | _FLUSH if record.is_unique else _IN
            _record(page, record, class_, 0 if gone else record.ttl_s)


def write_legacy_answers(page, query: Query, packet: bytes, answers: list, extras: list) -> None:
    """Writes the answer to a client without multicast DNS: an ordinary DNS answer, which repeats
    the questions of packet. Raises page.Full."""
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
