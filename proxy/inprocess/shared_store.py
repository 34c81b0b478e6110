"""One store in memory for several event loops, each in a thread of its own."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec

from ..stores.config import MemoryConfig, ResponsesConfig, make_conversations, make_store
from ..stores.conversations import ConversationStore
from ..stores.store import ResponseStore


class SharedStores(msgspec.Struct, frozen=True):
    """What all pipelines of one file keep responses in; None for each pipeline's own."""

    responses: ResponseStore | None = None
    conversations: ConversationStore | None = None


def shared_stores(config: ResponsesConfig) -> SharedStores:
    """Returns the stores of a file that are in memory; stores of other kinds need no help to be shared."""
    if not isinstance(config, MemoryConfig):
        return SharedStores()
    directory = Path()
    return SharedStores(
        cast(ResponseStore, _OneAtATime(lambda: make_store(config, directory))),
        cast(ConversationStore, _OneAtATime(lambda: make_conversations(config, directory))),
    )


class _OneAtATime:
    """Stands for a store whose methods never wait for anything: lets one of them run at a time, in whichever thread.

    It begins empty in a process that was forked: another thread may have been at work on it in that moment.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._renew()

    def _renew(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._store = self._make()

    async def start(self) -> None:
        """Does nothing: a store in memory is always open."""

    async def close(self) -> None:
        """Does nothing: other loops may still ask."""

    def __getattr__(self, name: str) -> Any:
        if self._process != os.getpid():
            self._renew()
        found = getattr(self._store, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **named: Any) -> Any:
            with self._lock:
                return await found(*args, **named)

        return call
