"""Runs every test of this folder that needs an event loop on both: asyncio's own and uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from proxy.upstream.pool import Http1Client, PoolCounts


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Hook of pytest-asyncio."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def client() -> AsyncIterator[Http1Client]:
    """The client for token streams; all its connections are closed at the end."""
    client = Http1Client()
    yield client
    await client.close()
    assert client.counts == PoolCounts(open=0, idle=0, waiting=0)
