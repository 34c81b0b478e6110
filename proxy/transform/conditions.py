"""Which exchanges a change is for."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ..config.types import Mistake
from ..exchange import Exchange
from ..patterns import stands_for

Patterns = str | tuple[str, ...]

_NAMED = ("model", "upstream", "key", "team", "user")


class TransformWhen(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which exchanges to change; all that is said must hold. Names may hold a *, and be several: one must fit."""

    model: Annotated[Patterns | None, Meta(description="The model that the client asked for.")] = None
    upstream: Annotated[Patterns | None, Meta(description="The upstream that was chosen; known below route.")] = None
    key: Annotated[Patterns | None, Meta(description="The id of the client's key; known below auth.")] = None
    team: Annotated[
        Patterns | None, Meta(description="The team of the client's key, or its owner; known below auth.")
    ] = None
    user: Annotated[
        Patterns | None, Meta(description="The user of the client's key, or its owner; known below auth.")
    ] = None
    header: Annotated[
        dict[str, Patterns],
        Meta(description="Headers of the client's request, each with the value it must have; * is any that is there."),
    ] = field(default_factory=dict)
    stream: Annotated[bool | None, Meta(description="Whether the client asked for a stream.")] = None
    dialect: Annotated[Literal["responses", "chat"] | None, Meta(description="What the client speaks.")] = None

    def __post_init__(self) -> None:
        said = {name: getattr(self, name) for name in _NAMED} | {f"header.{n}": one for n, one in self.header.items()}
        for name, patterns in said.items():
            if (patterns is not None and not all(_listed(patterns))) or patterns == ():
                raise Mistake(f"{name} is empty: the condition could never hold", f"name one, or remove {name}")


class Conditions:
    """The conditions of one change, prepared once for all exchanges."""

    def __init__(self, when: TransformWhen) -> None:
        self._when = when
        self._any = when == TransformWhen()
        self._headers = tuple((name.lower(), _listed(patterns)) for name, patterns in when.header.items())

    def hold(self, exchange: Exchange) -> bool:
        """Tells whether an exchange is meant; what is not known yet fits no name. Hot: once a request."""
        if self._any:
            return True
        when, key, request = self._when, exchange.key, exchange.request
        if when.stream is not None and when.stream != request.stream:
            return False
        if when.dialect is not None and when.dialect != request.dialect:
            return False
        if when.model is not None and not _fits(when.model, exchange.model):
            return False
        if when.upstream is not None:
            deployment = exchange.deployment
            if not _fits(when.upstream, None if deployment is None else deployment.provider.name):
                return False
        if when.key is not None and not _fits(when.key, None if key is None else key.id):
            return False
        if when.team is not None and not _fits(when.team, None if key is None else key.team or key.owner):
            return False
        if when.user is not None and not _fits(when.user, None if key is None else key.user or key.owner):
            return False
        headers = exchange.client.headers
        return all(_fits(patterns, headers.get(name)) for name, patterns in self._headers)


def _listed(patterns: Patterns) -> tuple[str, ...]:
    return (patterns,) if isinstance(patterns, str) else patterns


def _fits(patterns: Patterns, name: str | None) -> bool:
    return name is not None and any(stands_for(pattern, name) for pattern in _listed(patterns))
