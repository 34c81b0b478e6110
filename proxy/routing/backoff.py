"""How long to wait before a deployment is asked again."""

from __future__ import annotations

import random

_FIRST_S = 0.25
_MOST_S = 4.0


def pause_after(failures: int, named_s: float | None) -> float:
    """Returns the pause in seconds after so many failures: what the upstream has named, else twice as long each time.

    A random quarter more or less keeps clients that failed together from coming back together.
    """
    if named_s is not None:
        return named_s
    return min(_MOST_S, _FIRST_S * 2.0 ** (failures - 1)) * random.uniform(0.75, 1.25)
