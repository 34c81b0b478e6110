"""Asks the moderation of an upstream that speaks OpenAI's API (`POST /moderations`)."""

from __future__ import annotations

import msgspec

from ..providers.provider import Provider
from ..upstream.client import UpstreamRequest
from .check import ALLOWED, Asked, CheckFailed, Verdict, joined, post
from .rules import JUDGE, GuardrailRule

_MOST = 32
"""So many texts are sent at a time."""


class _Result(msgspec.Struct):
    flagged: bool = False
    categories: dict[str, bool | None] = {}
    category_scores: dict[str, float | None] = {}


class _Answer(msgspec.Struct):
    results: list[_Result]


_decode = msgspec.json.Decoder(_Answer).decode


class Moderation:
    """The moderation of one upstream."""

    def __init__(self, rule: GuardrailRule, provider: Provider) -> None:
        self._provider = provider
        self._model = rule.model or JUDGE
        self._thresholds = dict(rule.thresholds)

    async def ask(self, asked: Asked) -> Verdict:
        """Returns whether one of the texts is over a threshold, or flagged where there are none."""
        texts = joined(asked)
        for at in range(0, len(texts), _MOST):
            for result in await self._results(texts[at : at + _MOST]):
                if reasons := self._reasons(result):
                    return Verdict(bad=True, reason=", ".join(reasons))
        return ALLOWED

    async def _results(self, texts: object) -> list[_Result]:
        request = self._provider.forwarded("/moderations", self._model)
        if request is None:
            raise CheckFailed(f'upstream "{self._provider.name}" has no moderation')
        request = UpstreamRequest(
            method="POST",
            url=request.url,
            headers={**request.headers, "content-type": "application/json"},
            body=msgspec.json.encode({"model": self._model, "input": texts}),
        )
        body = await post(self._provider.client, request, self._provider.timeouts)
        try:
            results = _decode(body).results
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CheckFailed(f"its answer cannot be read: {error}") from None
        if not results:
            raise CheckFailed("its answer has no results")
        return results

    def _reasons(self, result: _Result) -> list[str]:
        if self._thresholds:
            scores = result.category_scores
            return [name for name, least in self._thresholds.items() if (scores.get(name) or 0.0) >= least]
        if not result.flagged:
            return []
        return [name for name, there in result.categories.items() if there] or ["flagged"]

    async def close(self) -> None:
        """Does nothing: the connections are the upstream's."""
