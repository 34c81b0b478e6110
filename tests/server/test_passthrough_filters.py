"""Bytes of an answer on their way through several filters."""

from __future__ import annotations

from proxy.exchange import Exchange
from proxy.server.passthrough_filters import RawFilters
from proxy.stage import Head, ResponseFilter
from tests.support.drive import exchange_of


class Late:
    """Holds everything back until the end, then adds a mark of its own."""

    def __init__(self, mark: bytes) -> None:
        self.done = False
        self.mark = mark
        self.held = b""

    def feed(self, data: bytes) -> bytes:
        self.held += data
        return b""

    def finish(self) -> bytes:
        self.done = True
        return self.held + self.mark


class Marks(ResponseFilter):
    def __init__(self, mark: bytes) -> None:
        self.mark = mark

    def on_raw(self, exchange: Exchange, head: Head) -> Late:
        return Late(self.mark)


async def test_what_one_has_held_back_goes_through_the_next() -> None:
    through = RawFilters(exchange_of(), Head(200, {}), [Marks(b"2"), ResponseFilter(), Marks(b"1")])
    assert through
    assert through.feed(b"a") == through.feed(b"b") == b""
    assert not through.done
    assert await through.finish() == b"ab12"
    assert through.done


async def test_without_filters_bytes_are_what_they_were() -> None:
    through = RawFilters(exchange_of(), Head(200, {}), [ResponseFilter()])
    assert not through
    assert (through.feed(b"a"), await through.finish(), through.done) == (b"a", b"", False)
