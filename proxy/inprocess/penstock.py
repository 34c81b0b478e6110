"""A pipeline of one's own, called instead of served."""

from __future__ import annotations

import logging
from pathlib import Path
from types import TracebackType
from typing import Self

from ..config.file import Config
from ..config.loader import load, load_text
from .asynchronous import AsyncCalls
from .services import Services
from .synchronous import SyncCalls

_log = logging.getLogger("penstock")


class Penstock(AsyncCalls, SyncCalls):
    """The pipeline of a file, in this process. Use it in `with` or `async with`, or as it is.

    It is opened when it is first asked, in each event loop by itself: calls with an `a` run in the loop of their
    caller, the others in one thread that the process has for all of them. What a store in memory keeps is known to all
    loops. `with` closes what the thread has opened, `async with` what its own loop has; without them that is done when
    the loop, or the process, ends. `api_key` is what an `auth` stage is shown.
    """

    @classmethod
    def from_file(cls, path: str | Path, *, api_key: str | None = None) -> Self:
        """Returns the pipeline of a `pipeline.yaml`; raises ConfigError with all that is wrong with it."""
        return cls.from_config(load(path), api_key=api_key)

    @classmethod
    def from_text(cls, text: str, *, api_key: str | None = None) -> Self:
        """Returns the pipeline of a file's text; raises ConfigError. Relative paths begin at the working directory."""
        return cls.from_config(load_text(text, "text"), api_key=api_key)

    @classmethod
    def from_config(cls, config: Config, *, api_key: str | None = None) -> Self:
        """Returns the pipeline of a file that was loaded; what is doubtful in it is logged."""
        for warning in config.warnings:
            _log.warning("%s", warning)
        return cls(Services(config), api_key)

    def __enter__(self) -> Self:
        self._wait(_opened)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await self._services.here()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def _opened(_: object) -> None:
    """Is done as soon as there is a service to do it with."""
