"""Prices of the file's own: which deployments they are for, and which of several is the nearest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from ..patterns import stands_for
from .rates import RateCard


class OwnPrice(msgspec.Struct, frozen=True):
    """One entry of `prices:` in the file.

    `name` and `line` say where it stands, `like` which name of the table it points to, if it does. `deployments` are
    patterns of `upstream/model` that it is for.
    """

    name: str
    line: int
    card: RateCard
    deployments: tuple[str, ...]
    like: str | None = None


class OwnPrices:
    """Finds the price of a deployment: an exact name before a pattern, a long pattern before a short one.

    Of two entries for the same name, the one that names the deployment itself counts.
    """

    def __init__(self, prices: Iterable[OwnPrice]) -> None:
        self._exact: dict[str, OwnPrice] = {}
        patterns: dict[str, OwnPrice] = {}
        for price in prices:
            for deployment in price.deployments:
                place = patterns if "*" in deployment else self._exact
                if deployment not in place or price.name == deployment:
                    place[deployment] = price
        self._patterns = sorted(patterns.items(), key=lambda row: len(row[0]), reverse=True)

    def find(self, deployment: str) -> OwnPrice | None:
        """Returns the price of `upstream/model`, None when the file has none for it."""
        if deployment in self._exact:
            return self._exact[deployment]
        return next((price for pattern, price in self._patterns if stands_for(pattern, deployment)), None)


def deployments_of(name: str, models: Mapping[str, Sequence[str]], upstreams: Iterable[str]) -> tuple[str, ...]:
    """Returns the patterns of `upstream/model` that a name in `prices:` is for; none for a name that means nothing.

    `models` maps the names that clients ask for to `upstream/model`. A name is first taken for `upstream/model` and for
    one that clients ask for, and only if it is neither for what an upstream calls a model that the file names. All may
    hold a `*`.
    """
    upstream, slash, _ = name.partition("/")
    direct = [name] if name == "*" or (slash and upstream in upstreams) else []
    asked = [*direct, *_asked_for(name, models)]
    return tuple(dict.fromkeys(asked or _served(name, models)))


def _asked_for(name: str, models: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for asked, deployments in models.items():
        if stands_for(name, asked):
            yield from deployments
        elif (middle := within(name, asked)) is not None:
            yield from (deployment.replace("*", middle, 1) for deployment in deployments)


def _served(name: str, models: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for deployments in models.values():
        yield from (one for one in deployments if stands_for(name, one.partition("/")[2]))


def within(name: str, pattern: str) -> str | None:
    """Returns what the `*` of a pattern stands for in a name, or in a narrower pattern; None if it is not within."""
    prefix, star, suffix = pattern.partition("*")
    if star and len(name) > len(prefix) + len(suffix) and name.startswith(prefix) and name.endswith(suffix):
        return name[len(prefix) : len(name) - len(suffix)]
    return None
