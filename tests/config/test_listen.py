"""The address to serve, in its written forms."""

from __future__ import annotations

import pytest

from proxy.config.listen import Listen
from proxy.config.types import Mistake
from tests.support.config_nodes import NOTHING


@pytest.mark.parametrize(
    ("written", "host", "port", "loopback"),
    [
        ("127.0.0.1:4000", "127.0.0.1", 4000, True),
        ("localhost:0", "localhost", 0, True),
        ("0.0.0.0:80", "0.0.0.0", 80, False),
        ("[::1]:65535", "::1", 65535, True),
        ("[::]:4000", "::", 4000, False),
        ("gateway.internal:4000", "gateway.internal", 4000, False),
        (4000, "127.0.0.1", 4000, True),
        ("4000", "127.0.0.1", 4000, True),
    ],
)
def test_addresses(written, host, port, loopback):
    listen = Listen.parse(written, NOTHING)
    assert (listen.host, listen.port, listen.loopback) == (host, port, loopback)
    assert Listen.parse(listen.written, NOTHING) == listen


@pytest.mark.parametrize("written", ["localhost", ":4000", "a:b", "::1:4000", "1.2.3.4:65536", -1, 1.5, True, None, []])
def test_what_is_no_address(written):
    with pytest.raises(Mistake, match="is no address"):
        Listen.parse(written, NOTHING)


def test_addresses_compare_by_value():
    assert Listen("a", 1) == Listen("a", 1)
    assert Listen("a", 1) != Listen("a", 2)
    assert len({Listen(), Listen("127.0.0.1", 4000)}) == 1
    assert repr(Listen()) == "Listen(127.0.0.1:4000)"
