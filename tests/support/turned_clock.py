"""An event loop's clock and timers, turned by the test."""

from __future__ import annotations

from collections.abc import Callable


class Timer:
    """One call to come."""

    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due, self.call, self.cancelled = due, call, False

    def when(self) -> float:
        return self.due

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """An event loop as far as those need one who only set timers."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []
        self.made = 0

    def time(self) -> float:
        return self.now

    def call_at(self, due: float, call: Callable[[], None]) -> Timer:
        self.made += 1
        self.timers.append(Timer(due, call))
        return self.timers[-1]

    def call_soon(self, call: Callable[[], None]) -> None:
        call()

    @property
    def live(self) -> list[Timer]:
        return [timer for timer in self.timers if not timer.cancelled]

    def turn(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.live if timer.due <= end]:
            timer = min(due, key=Timer.when)
            self.timers.remove(timer)
            self.now = max(self.now, timer.due)
            timer.call()
        self.now = end
