"""What the file says of routing beside the choice itself: fallbacks, hedging, mirrors."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ..config.types import Duration, Mistake
from .failures import Failure


class Fallback(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Which models stand in for a model whose deployments all failed."""

    from_: Annotated[str, Meta(description="The model that failed; may hold a *.")]
    to: Annotated[tuple[str, ...], Meta(description="The models to try instead, in this order.", min_length=1)]
    errors: Annotated[
        tuple[Failure, ...],
        Meta(
            description="The failures it is for; by default all that another model may not have. A request that is too "
            "long (context_window) or against somebody's rules (content_policy) falls back only where that is named, "
            "and then at once."
        ),
    ] = ()


class Hedge(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """When to ask a second deployment beside the first."""

    after: Annotated[Duration, Meta(description="How long a stream may show nothing before another one is asked for.")]

    def __post_init__(self) -> None:
        if not self.after:
            raise Mistake("after is 0", "give the first deployment some time, such as 2s")


class Mirror(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A model that is sent copies of requests; what it answers is thrown away."""

    to: Annotated[str, Meta(description="The model that gets the copies.")]
    percent: Annotated[float, Meta(gt=0, le=100, description="How many of a hundred requests are copied.")] = 100.0
    from_: Annotated[str, Meta(description="The models whose requests are copied; may hold a *.")] = "*"
