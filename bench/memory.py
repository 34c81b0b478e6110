"""How the memory of a target grows with the streams that are open: both are looked at while a scenario runs."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from types import TracebackType

_EACH_S = 0.2


class Growth:
    """Looks at both as long as its block lasts; `points` are (streams under way at the upstream, kB resident)."""

    def __init__(self, upstream_port: int, resident_kb: Callable[[], int]) -> None:
        self.points: list[tuple[int, int]] = []
        self._resident_kb = resident_kb
        self._upstream = http.client.HTTPConnection("127.0.0.1", upstream_port, timeout=5)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Growth:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self._upstream.close()

    def _look(self) -> None:
        try:
            while not self._done.wait(_EACH_S):
                self._upstream.request("GET", "/v1/open")
                self.points.append((int(self._upstream.getresponse().read()), self._resident_kb()))
        except (OSError, http.client.HTTPException):  # the upstream is gone, and the run with it
            return


def rising(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Returns the points up to the one with the most streams, each with more streams than the one before."""
    found: list[tuple[int, int]] = []
    for streams, kb in points:
        if streams and (not found or streams > found[-1][0]):
            found.append((streams, kb))
    return found
