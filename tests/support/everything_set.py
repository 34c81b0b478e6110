"""An environment for files that are only read: nothing is missing in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class EverythingIsSet(Mapping[str, str]):
    """An environment in which every variable has a value, so that no upstream is skipped."""

    def __getitem__(self, name: str) -> str:
        if name == "REDIS_URL":
            return "redis://127.0.0.1:9"
        return "http://127.0.0.1:9" if name.endswith(("_BASE", "_URL", "_ENDPOINT")) else f"value-of-{name}"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
