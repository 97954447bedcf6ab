"""Some hundred odd requests to the whole dongle; `make fuzz-http` sends half a million."""

import pytest

import http_fuzzer
from household import needs_micropython

REQUESTS = 2_000


@pytest.mark.parametrize(
    "answer, fault",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", "another length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "chunks"),
        (b"HTTP/1.1 404 x\r\nContent-Type: application/json\r\n\r\n{}", "no reason"),
        (b"HTTP/1.1 404 x\r\nContent-Type: application/json\r\n\r\n{", "no JSON"),
        (b"HTTP/1.1 200 OK\r\n\r\nmqtt secret", "a secret"),
        (b"200 OK", "no head"),
    ],
)
def test_the_fuzzer_knows_a_fault(answer, fault):
    found = http_fuzzer.fault_of(answer)
    assert found == fault or (fault and found.startswith(fault))


@pytest.mark.slow
@needs_micropython
def test_odd_requests_find_nothing():
    findings = http_fuzzer.run(REQUESTS)
    print(findings)
    assert findings.faults == []
    assert findings.telegrams > 3
    reached = {"200", "400", "401", "403", "404", "405", "413", "421", "429", "431", "505"}
    assert reached <= findings.outcomes.keys()
