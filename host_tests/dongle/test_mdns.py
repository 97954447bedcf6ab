"""Multicast DNS: what foreign resolvers (zeroconf, dnslib) make of what the dongle says, and what
the dongle makes of whatever comes in."""

import signal
import socket
import struct
from contextlib import ExitStack
from ipaddress import ip_address

import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zeroconf import IPVersion, ServiceBrowser, ServiceListener, Zeroconf, ZeroconfServiceTypes
from zeroconf._protocol.incoming import DNSIncoming

import rig
from dongle.net import dns_packet
from dongle.net.mdns_records import Records, services
from household import Household, needs_micropython, run_on_device, wait_for
from p1.render.page import Page

GROUP = ("224.0.0.251", 5353)
LOOPBACK = "127.0.0.1"
ID = "02000000d15c"
HOST = "p1meter-00d15c"
HWENERGY = {  # interfaces.md §4.a
    b"api_enabled": b"1",
    b"path": b"/api/v1",
    b"serial": ID.encode(),
    b"product_name": b"P1 Meter",
    b"product_type": b"HWE-P1",
}
FLUSH = 0x8000


def records():
    return Records(HOST, bytes((192, 168, 1, 77)), services(8080, True, ID))


def announcement(gone=False):
    page = Page(1200)
    dns_packet.write_answers(page, records().all, (), gone)
    return bytes(page.bytes[: page.size])


def query(*questions, answers=(), id=0):
    """A query of dnslib's making: questions (name, type), answers [RR]."""
    record = dnslib.DNSRecord(dnslib.DNSHeader(id=id, qr=0, rd=0))
    for name, type in questions:
        record.add_question(dnslib.DNSQuestion(name, getattr(dnslib.QTYPE, type)))
    for answer in answers:
        record.add_answer(answer)
    return bytes(record.pack())


def answered(packet):
    """(answers, what is added) to a query, each as a list of (name, type)."""
    lists = records().answers(dns_packet.read_query(packet))
    return [[(record.name, dnslib.QTYPE[record.type]) for record in group] for group in lists]


def wire(name):
    return dns_packet.encode_name(*name.split("."))


# --- What is said ---


def test_zeroconf_and_dnslib_read_the_same_announcement():
    packet = announcement()
    theirs = {(record.name, record.type) for record in DNSIncoming(packet).answers()}
    others = {(str(rr.rname), rr.rtype) for rr in dnslib.DNSRecord.parse(packet).rr}
    assert theirs == others
    assert theirs == {
        (f"{HOST}.local.", 1),
        (f"{HOST}.local.", 47),
        ("_services._dns-sd._udp.local.", 12),
        *((f"{service}._tcp.local.", 12) for service in ("_http", "_hwenergy")),
        *((f"{HOST}.{service}._tcp.local.", 33) for service in ("_http", "_hwenergy")),
        *((f"{HOST}.{service}._tcp.local.", 16) for service in ("_http", "_hwenergy")),
    }


def test_the_announcement_s_values():
    parsed = dnslib.DNSRecord.parse(announcement())
    assert (parsed.header.qr, parsed.header.aa, parsed.header.id) == (1, 1, 0)
    found = {(str(rr.rname), dnslib.QTYPE[rr.rtype]): rr for rr in parsed.rr}
    assert str(found[f"{HOST}.local.", "A"].rdata) == "192.168.1.77"
    place = found[f"{HOST}._hwenergy._tcp.local.", "SRV"].rdata
    assert (str(place.target), place.port) == (f"{HOST}.local.", 8080)
    texts = found[f"{HOST}._hwenergy._tcp.local.", "TXT"].rdata.data
    assert dict(text.split(b"=") for text in texts) == HWENERGY
    assert found[f"{HOST}._http._tcp.local.", "TXT"].rdata.data == [b"path=/"]
    assert found[f"{HOST}.local.", "NSEC"].rdata.rrlist == ["A"]


def test_what_nobody_else_has_replaces_what_was_known():
    for rr in dnslib.DNSRecord.parse(announcement()).rr:
        is_shared = rr.rtype == dnslib.QTYPE.PTR
        assert rr.rclass == 1 if is_shared else rr.rclass == 1 | FLUSH
        about_host = rr.rtype in (dnslib.QTYPE.A, dnslib.QTYPE.SRV, dnslib.QTYPE.NSEC)
        assert rr.ttl == (120 if about_host else 4500)  # RFC 6762 §10


def test_goodbye_is_the_same_with_no_time_to_live():
    before, after = (dnslib.DNSRecord.parse(announcement(gone)).rr for gone in (False, True))
    assert [(rr.rname, rr.rdata) for rr in before] == [(rr.rname, rr.rdata) for rr in after]
    assert {rr.ttl for rr in after} == {0}


def test_hwenergy_only_where_it_is_served():
    assert [service for service, _, _ in services(80, False, ID)] == ["_http._tcp"]


# --- What is answered ---


@pytest.mark.parametrize(
    "name, type, answers",
    [
        (f"{HOST}.local", "A", ["A"]),
        (f"{HOST.upper()}.LOCAL", "A", ["A"]),
        (f"{HOST}.local", "AAAA", ["NSEC"]),
        (f"{HOST}.local", "ANY", ["A", "NSEC"]),
        (f"{HOST}._http._tcp.local", "SRV", ["SRV"]),
        (f"{HOST}._http._tcp.local", "TXT", ["TXT"]),
        (f"{HOST}._http._tcp.local", "ANY", ["SRV", "TXT"]),
        (f"{HOST}._http._tcp.local", "A", []),
        ("_http._tcp.local", "PTR", ["PTR"]),
        ("_http._tcp.local", "SRV", []),
        ("_services._dns-sd._udp.local", "PTR", ["PTR", "PTR"]),
        ("p1meter-00d15d.local", "A", []),
        ("p1meter-00d15c", "A", []),
        ("_homewizard._tcp.local", "PTR", []),
        ("local", "ANY", []),
        (".", "ANY", []),
    ],
)
def test_who_asks_for_what(name, type, answers):
    found, _ = answered(query((name, type)))
    assert [found_type for _, found_type in found] == answers
    if name != "." and answers:
        assert {found_name for found_name, _ in found} == {wire(name.lower())}


def test_a_service_comes_with_all_that_is_needed_to_reach_it():
    answers, extras = answered(query(("_hwenergy._tcp.local", "PTR")))
    assert [type for _, type in answers] == ["PTR"]
    assert sorted(type for _, type in extras) == ["A", "NSEC", "SRV", "TXT"]


def test_several_questions_get_each_record_once():
    answers, extras = answered(query((f"{HOST}.local", "A"), (f"{HOST}.local", "ANY")))
    assert sorted(type for _, type in answers) == ["A", "NSEC"]
    assert extras == []


@pytest.mark.parametrize("ttl, said", [(4500, 0), (2250, 0), (2249, 1), (0, 1)])
def test_what_the_asker_knows_well_enough_is_not_said(ttl, said):
    known = dnslib.RR(
        "_http._tcp.local",
        dnslib.QTYPE.PTR,
        ttl=ttl,
        rdata=dnslib.PTR(f"{HOST.upper()}._http._tcp.local"),
    )
    answers, extras = answered(query(("_http._tcp.local", "PTR"), answers=[known]))
    assert len(answers) == said
    assert bool(extras) == bool(said)


def test_a_long_list_of_known_answers_may_be_cut_off():
    known = [
        dnslib.RR(
            "_http._tcp.local",
            dnslib.QTYPE.PTR,
            ttl=4500,
            rdata=dnslib.PTR(f"printer-number-{number}._http._tcp.local"),
        )
        for number in range(40)
    ]
    packet = query(("_http._tcp.local", "PTR"), answers=known)
    assert len(packet) > 512
    assert answered(packet[:512])[0] == [(wire("_http._tcp.local"), "PTR")]


def test_one_who_knows_only_plain_dns_gets_a_plain_answer():
    packet = query((f"{HOST}._http._tcp.local", "SRV"), (f"{HOST}.local", "A"), id=4711)
    asked = dns_packet.read_query(packet)
    assert asked
    page = Page(1200)
    dns_packet.write_legacy_answers(page, asked, packet, *records().answers(asked))
    answer = dnslib.DNSRecord.parse(bytes(page.bytes[: page.size]))
    assert answer.header.id == 4711
    assert answer.questions == dnslib.DNSRecord.parse(packet).questions
    assert sorted(dnslib.QTYPE[rr.rtype] for rr in answer.rr) == ["A", "SRV"]
    for rr in [*answer.rr, *answer.ar]:
        assert rr.rclass == 1 and 0 < rr.ttl <= 10  # RFC 6762 §6.7


# --- Whatever comes in ---

LABEL = st.text("abcXYZ019-_", min_size=1, max_size=63)
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
TYPES = st.sampled_from(["A", "PTR", "TXT", "AAAA", "SRV", "ANY"])
QUESTIONS = st.lists(st.tuples(NAME, TYPES), max_size=8)


@given(QUESTIONS, st.integers(0, 0xFFFF))
def test_questions_are_read_as_they_were_asked(questions, id):
    """dnslib points to earlier names wherever it can."""
    packet = query(*questions, id=id)
    asked = dns_packet.read_query(packet)
    assert asked and asked.id == id
    assert asked.questions_end == len(packet)
    assert asked.questions == [
        (wire(name.lower()), getattr(dnslib.QTYPE, type)) for name, type in questions
    ]


def harmless(packet):
    """read_query() says yes or no, and what comes out of it can be answered."""
    try:
        asked = dns_packet.read_query(packet)
    except dns_packet.Malformed:
        return
    if asked is not None:
        answers, extras = records().answers(asked)
        page = Page(1800)
        dns_packet.write_answers(page, answers, extras)
        dns_packet.write_legacy_answers(page, asked, packet, answers, extras)


@given(st.binary(max_size=512))
def test_any_bytes(packet):
    harmless(packet)
    harmless(b"\0\0\0\0" + packet)  # so that it is a query


@given(QUESTIONS, st.data())
def test_damaged_queries(questions, data):
    known = dnslib.RR("_http._tcp.local", dnslib.QTYPE.PTR, ttl=9, rdata=dnslib.PTR("a.local"))
    packet = bytearray(query(*questions, (f"{HOST}.local", "A"), answers=[known]))
    for _ in range(data.draw(st.integers(1, 6))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    harmless(bytes(packet[: data.draw(st.integers(0, len(packet)))]))


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x0c",  # points to itself
        b"\x01a\xc0\x0c",  # to the label before it, for ever
        b"\xc0\x0e\xc0\x0c",  # to each other
        b"\xc0\x20",  # forward
        b"\xc0\xff",  # behind the end
        b"\xc0",  # half a pointer
        b"\x3fa",  # a label that is longer than the packet
        b"\x40a\x00",  # neither a length nor a pointer
        b"\x01a",  # no end
        b"\x3f" + b"a" * 63 + b"\x3f" + b"b" * 63 + b"\x3f" + b"c" * 63 + b"\x3f" + b"d" * 63,
    ],
)
def test_names_that_are_none(name):
    with pytest.raises(dns_packet.Malformed):
        dns_packet.read_query(struct.pack(">6H", 0, 0, 1, 0, 0, 0) + name + b"\0\x01\0\x01")


def test_a_packet_of_nothing_but_pointers_costs_little():
    name = b"".join(b"\x01" + bytes((97 + number % 26,)) for number in range(126)) + b"\0"
    packet = struct.pack(">6H", 0, 0, 100, 0, 0, 0) + name + b"\0\x01\0\x01"
    packet += b"\xc0\x0c\0\x01\0\x01" * 99
    asked = dns_packet.read_query(packet)
    assert asked and len(asked.questions) == 24
    harmless(packet)


@pytest.mark.parametrize("flags", [0x8000, 0x8400, 0x2800, 0x0001])
def test_what_is_no_plain_query_is_not_looked_at(flags):
    assert dns_packet.read_query(struct.pack(">6H", 0, flags, 999, 0, 0, 0)) is None


# --- The whole dongle ---


def multicast_socket(port=0):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind(("", port))
    here = socket.inet_aton(LOOPBACK)
    one.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP[0]) + here)
    one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
    one.settimeout(1)
    return one


@pytest.fixture(scope="module")
def loopback_multicast():
    """Skips where what is multicast on the loopback interface is not heard there."""
    try:
        with multicast_socket(GROUP[1]) as ear, multicast_socket() as mouth:
            mouth.sendto(announcement()[:4], GROUP)
            ear.recv(2000)
    except OSError as error:
        pytest.skip(
            f"no multicast on the loopback interface ({error}): ip link set lo multicast on"
        )


@pytest.fixture(scope="module")
def dongles(tmp_path_factory, loopback_multicast):
    """Dongles without a meter: with a responder of their own (own, leaving), with the official
    firmware's (stock), with none (off)."""

    def dongle(name, **options):
        folder = tmp_path_factory.mktemp(name)
        nobody = rig.free_port()
        return stack.enter_context(Household(folder, meter=None, broker=nobody, **options))

    own = "import world\nworld.builtin_mdns = False\n"
    with ExitStack() as stack:
        yield {
            "own": dongle(
                "own",
                dongle_id=ID,
                before=own,
                config={"homewizard": {"enabled": True}},
            ),
            "leaving": dongle("leaving", dongle_id="02000000d15d", before=own),
            "stock": dongle("stock", dongle_id="02000000d15e"),
            "off": dongle(
                "off", dongle_id="02000000d15f", before=own, config={"mdns": {"enabled": False}}
            ),
        }


class Browser(ServiceListener):
    """A foreign program that looks for services; the names that are there now."""

    def __init__(self, zeroconf, service):
        self.names = set()
        self._browser = ServiceBrowser(zeroconf, service, self)

    def add_service(self, zc, type_, name):
        self.names.add(name)

    def update_service(self, zc, type_, name):
        pass

    def remove_service(self, zc, type_, name):
        self.names.discard(name)


@pytest.fixture
def zeroconf(dongles):
    """A newcomer on the network, who knows nothing yet."""
    one = Zeroconf(interfaces=[LOOPBACK], ip_version=IPVersion.V4Only)
    yield one
    one.close()


def responder(dongle):
    return dongle.health()["mdns"]


@pytest.fixture(scope="module")
def own(dongles):
    """The one with a responder of its own, after it has said all that it says unasked."""
    dongle = dongles["own"]
    wait_for(lambda: responder(dongle)["responder"] == "own", "its responder")
    began_s = dongle.health()["uptime_s"]
    # By its own clock: the second of two announcements is a second after the first.
    wait_for(lambda: dongle.health()["uptime_s"] > began_s + 3, "it has said what it says unasked")
    return dongle


@needs_micropython
@pytest.mark.parametrize(
    "service, texts", [("_http._tcp", {b"path": b"/"}), ("_hwenergy._tcp", HWENERGY)]
)
def test_a_service_is_found_and_resolved(own, zeroconf, service, texts):
    kind, name = f"{service}.local.", f"{HOST}.{service}.local."
    browser = Browser(zeroconf, kind)
    wait_for(lambda: name in browser.names, "it is found")
    info = wait_for(lambda: zeroconf.get_service_info(kind, name), "it is resolved")
    assert [ip_address(packed) for packed in info.addresses] == [ip_address(LOOPBACK)]
    assert info.port == own.http_port
    assert info.server == f"{HOST}.local."
    assert info.properties == texts


@needs_micropython
def test_its_kinds_of_service_are_listed(own):
    def look():
        kinds = ZeroconfServiceTypes.find(interfaces=[LOOPBACK], timeout=2)
        return {"_http._tcp.local.", "_hwenergy._tcp.local."} <= set(kinds)

    wait_for(look, "both kinds")
    assert responder(own)["answered"] > 0


@needs_micropython
def test_a_plain_resolver_is_answered_alone(own):
    with multicast_socket() as resolver:

        def look():
            resolver.sendto(query((f"{HOST}.local", "A"), id=99), GROUP)
            try:
                return resolver.recv(2000)
            except TimeoutError:
                return None

        answer = dnslib.DNSRecord.parse(wait_for(look, "an answer"))
    assert answer.header.id == 99
    assert str(answer.rr[0].rdata) == LOOPBACK


@needs_micropython
def test_nonsense_does_it_no_harm(own, zeroconf):
    before = responder(own)["malformed"]
    with multicast_socket() as vandal:
        for _ in range(5):
            vandal.sendto(struct.pack(">6H", 0, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\x01\0\x01", GROUP)
            vandal.sendto(b"\0", GROUP)
            vandal.sendto(bytes(2000), GROUP)
            vandal.sendto(b"", GROUP)
            vandal.sendto(struct.pack(">6H", 0, 0, 0xFFFF, 0, 0, 0), GROUP)
    wait_for(lambda: responder(own)["malformed"] >= before + 5, "it has seen it")
    name = f"{HOST}._http._tcp.local."
    wait_for(lambda: zeroconf.get_service_info("_http._tcp.local.", name), "it goes on")
    assert own.health()["task_failures"] == {}


@needs_micropython
def test_it_says_goodbye(dongles, zeroconf):
    dongle = dongles["leaving"]
    name = "p1meter-00d15d._http._tcp.local."
    browser = Browser(zeroconf, "_http._tcp.local.")
    wait_for(lambda: name in browser.names, "it is found")
    dongle.dongle.process.send_signal(signal.SIGINT)  # Ctrl-C, as mpremote does it
    wait_for(lambda: name not in browser.names, "it has left")  # its time: 4500 s


@needs_micropython
def test_official_firmware_keeps_its_own_responder(dongles, zeroconf):
    dongle = dongles["stock"]
    wait_for(lambda: responder(dongle)["responder"] == "built-in", "that it gives way")
    state = responder(dongle)
    assert state["name"] == "p1meter-00d15e.local"
    assert state["code"] == "port_taken"
    assert "5353" in state["reason"] and "services are not announced" in state["reason"]
    assert any("mdns: UDP port 5353 is in use" in line for line in dongle.said)
    assert dongle.health()["task_failures"] == {}


@needs_micropython
def test_it_can_be_switched_off(dongles):
    dongle = dongles["off"]
    wait_for(lambda: dongle.health()["wifi"]["connected"], "Wi-Fi")
    assert responder(dongle) == {"responder": "none", "reason": "off", "code": "off"}
    assert not any("mdns:" in line for line in dongle.said)


@needs_micropython
def test_it_comes_and_goes_with_the_address(loopback_multicast):
    result = run_on_device("dongle_mdns.py")
    assert result.stdout == "ok\n", result.stdout + result.stderr
