"""Chat servers that never come to an end."""

from __future__ import annotations

from tests.support.hostile import Peer
from tests.support.scripted import chunk
from tests.support.talking import SSE


async def endless(peer: Peer) -> None:
    """Goes on with text for as long as somebody takes it."""
    await peer.request()
    await peer.send(f"HTTP/1.1 200 OK\r\n{SSE}\r\n".encode())
    await peer.send(chunk(content="word "))
    await peer.send_forever(chunk(content="word " * 2000))


async def silent(peer: Peer) -> None:
    """Takes a request and says nothing."""
    await peer.request()
    await peer.stall()
