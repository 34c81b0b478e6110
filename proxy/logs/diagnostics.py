"""How Penstock's own messages are written: without secrets, wherever they come from, tracebacks included."""

from __future__ import annotations

import logging
from typing import TextIO

from ..redact import redact


class CleanFormatter(logging.Formatter):
    """Takes secrets out of a message when it has been put together."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the message with its traceback, if it has one."""
        return redact(super().format(record))


def log_to(stream: TextIO) -> None:
    """Has messages written to a stream, unless somebody has already said where they go."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(CleanFormatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
