# The dongle's records for multicast DNS: its address and its services (DNS-SD, RFC 6763). Finds
# the records that answer a query.

from .dns_packet import HOST_TTL_S, NSEC, PTR, PTR_TTL_S, SRV, TXT, A, Record, encode_name

# The name with which clients ask for all kinds of services (RFC 6763 §9).
_ALL_SERVICES = ("_services", "_dns-sd", "_udp", "local")


def services(port: int, has_homewizard: bool, dongle_id: str) -> list:
    """Returns the HTTP services of this dongle at this port: [(service, port, texts)]."""
    found = [("_http._tcp", port, ("path=/",))]
    if has_homewizard:
        # The clients of HomeWizard's local API look for these texts.
        texts = (
            "api_enabled=1",
            "path=/api/v1",
            "serial=" + dongle_id,
            "product_name=P1 Meter",
            "product_type=HWE-P1",
        )
        found.append(("_hwenergy._tcp", port, texts))  # pyright: ignore[reportArgumentType]
    return found


class Records:
    """host: name of the host and of each service, without .local; address: four bytes;
    services: as services() returns them.

    Attributes: all, every record, for announcements; services, the names of the services.
    """

    def __init__(self, host, address, services):
        self._host_name = encode_name(host, "local")
        of_address = Record(self._host_name, A, HOST_TTL_S, address)
        # Says that there are no other types, so that no client waits for an IPv6 address.
        nothing_else = Record(self._host_name, NSEC, HOST_TTL_S, self._host_name + b"\0\x01\x40")
        of_address.extras.append(nothing_else)
        nothing_else.extras.append(of_address)
        self._of_host = [of_address, nothing_else]
        self.all = list(self._of_host)
        self.services = [service for service, _, _ in services]
        for service, port, texts in services:
            self._add(host, service, port, texts)

    def _add(self, host, service, port, texts):
        labels = service.split(".")
        service_name = encode_name(labels[0], labels[1], "local")
        instance = encode_name(host, labels[0], labels[1], "local")
        where = b"\0\0\0\0" + bytes((port >> 8, port & 0xFF)) + self._host_name
        place = Record(instance, SRV, HOST_TTL_S, where)
        text = Record(instance, TXT, PTR_TTL_S, _texts(texts))
        kind = encode_name(*_ALL_SERVICES)
        instances = Record(service_name, PTR, PTR_TTL_S, instance, is_unique=False)
        kinds = Record(kind, PTR, PTR_TTL_S, service_name, is_unique=False)
        place.extras.extend(self._of_host)
        instances.extras.extend([place, text])
        instances.extras.extend(self._of_host)
        self.all.extend([kinds, instances, place, text])

    def answers(self, query) -> tuple:
        """Returns (answers, records that the client will ask for next): lists of Record, each
        record only once."""
        answers = []
        for name, type in query.questions:
            for record in self.all:
                if (
                    record.answers(name, type)
                    and record not in answers
                    and (record.key, record.data.lower()) not in query.known
                ):
                    answers.append(record)
        extras = []
        for record in answers:
            for extra in record.extras:
                if extra not in answers and extra not in extras:
                    extras.append(extra)
        return answers, extras


def _texts(texts):
    data = b""
    for text in texts:
        text = text.encode()
        data += bytes((len(text),)) + text
    return data or b"\0"
