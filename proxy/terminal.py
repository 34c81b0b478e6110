"""Tells the end of a terminal from a wish to read the file again: both are SIGHUP."""

from __future__ import annotations

import os
import signal


class Terminal:
    """The terminal that this process was started from, if it was.

    Under `nohup`, and under a service manager, nobody's terminal ends anything.
    """

    def __init__(self) -> None:
        self._had = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _is_there()

    def is_gone(self) -> bool:
        """Tells whether the terminal was closed: then what was started from it should end, too."""
        return self._had and not _is_there()


def _is_there() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
