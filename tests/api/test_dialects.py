"""Each dialect has what the engine needs of it."""

from __future__ import annotations

from proxy.api.dialects import DIALECTS
from proxy.exchange import Client, Exchange

BODY = b'{"model": "m", "input": "x", "messages": [{"role": "user", "content": "x"}], "stream": true}'


def test_a_request_of_each_dialect_gets_its_encoder() -> None:
    for name, dialect in DIALECTS.items():
        request = dialect.request.parse(BODY)
        assert request.dialect == name
        exchange = Exchange("req_1", Client("127.0.0.1", {}), request)
        encoder = dialect.encoder(exchange)
        assert b'"m"' in encoder.begin()
        assert not encoder.done
        assert exchange.response_id is not None


def test_only_chat_is_passed_through() -> None:
    assert [name for name, dialect in DIALECTS.items() if dialect.relay is not None] == ["chat"]
