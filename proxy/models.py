"""Which deployments stand behind the names that clients ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .providers.provider import Deployment

_MAX_REMEMBERED = 1024
_MAX_REMEMBERED_NAME = 256  # characters; longer names are looked up each time


class ModelTable:
    """Maps model names, exact or with one `*`, to deployments. An exact name wins over the longest wildcard.

    `unavailable` names models whose upstreams were all skipped, with the reason, so that a client can be told.
    """

    def __init__(
        self, entries: Mapping[str, Sequence[Deployment]], unavailable: Mapping[str, str] | None = None
    ) -> None:
        self._exact = {name: tuple(deployments) for name, deployments in entries.items() if "*" not in name}
        self._wildcards: list[tuple[str, str, tuple[Deployment, ...]]] = []
        for name, deployments in entries.items():
            prefix, star, suffix = name.partition("*")
            if star:
                self._wildcards.append((prefix, suffix, tuple(deployments)))
        self._wildcards.sort(key=lambda row: len(row[0]) + len(row[1]), reverse=True)
        self._unavailable = dict(unavailable or {})
        self._remembered: dict[str, tuple[Deployment, ...]] = {}

    def resolve(self, name: str) -> tuple[Deployment, ...]:
        """Returns the deployments for a name, the `*` of their models filled in; empty when there are none."""
        found = self._exact.get(name) or self._remembered.get(name)
        if found is not None:
            return found
        for prefix, suffix, deployments in self._wildcards:
            if (middle := _middle(name, prefix, suffix)) is not None:
                found = tuple(
                    Deployment(one.provider, one.model.replace("*", middle, 1), one.weight, one.timeouts)
                    for one in deployments
                )
                self._remember(name, found)
                return found
        return ()

    def _remember(self, name: str, deployments: tuple[Deployment, ...]) -> None:
        """Keeps what a wildcard stands for, so that counters and health go by the same objects each time."""
        if len(name) <= _MAX_REMEMBERED_NAME:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[name] = deployments

    def why_unavailable(self, name: str) -> str | None:
        """Returns why a model of the file is not served at the moment, or None when the file does not name it."""
        if name in self._unavailable:
            return self._unavailable[name]
        for pattern, reason in self._unavailable.items():
            prefix, star, suffix = pattern.partition("*")
            if star and _middle(name, prefix, suffix) is not None:
                return reason
        return None

    def names(self) -> list[str]:
        """Returns the exact names, in the order of the file."""
        return list(self._exact)

    def wildcards(self) -> Iterable[tuple[str, str, tuple[Deployment, ...]]]:
        """Returns the wildcard names as prefix, suffix and deployments."""
        return list(self._wildcards)


def _middle(name: str, prefix: str, suffix: str) -> str | None:
    """Returns what the `*` between prefix and suffix stands for in a name, at least one character; None without it."""
    if len(name) > len(prefix) + len(suffix) and name.startswith(prefix) and name.endswith(suffix):
        return name[len(prefix) : len(name) - len(suffix)]
    return None


NO_MODELS = ModelTable({})
"""The table of an exchange that no pipeline serves yet."""
