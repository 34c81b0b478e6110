"""Asks a webhook: texts out as JSON, and back whether they may pass."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..upstream.client import Timeouts, UpstreamClient, UpstreamRequest
from ..upstream.pool import Http1Client
from .check import ALLOWED, Asked, CheckFailed, Verdict, post
from .rules import GuardrailRule, Where


class Question(msgspec.Struct):
    """What is posted. `context` is the end of what stood in front of the first text, and has passed already."""

    rule: str
    where: Where
    texts: tuple[str, ...]
    context: str
    request_id: str
    model: str | None
    key: str | None
    team: str | None
    user: str | None


class Answer(msgspec.Struct):
    """What is to come back with status 200. To mask, `texts` holds as many texts as were sent."""

    action: Literal["allow", "block", "mask"]
    texts: tuple[str, ...] | None = None
    reason: str = ""


_decode = msgspec.json.Decoder(Answer).decode


class Webhook:
    """A webhook of the user's."""

    def __init__(self, rule: GuardrailRule, client: UpstreamClient | None = None) -> None:
        assert rule.url is not None
        self._rule = rule
        self._url = rule.url
        self._client = client or Http1Client()
        self._timeouts = Timeouts(connect=float(rule.timeout), total=float(rule.timeout))
        self._headers = {"content-type": "application/json", "user-agent": "penstock"}
        self._headers.update((name.lower(), value.reveal()) for name, value in rule.headers.items())

    async def ask(self, asked: Asked) -> Verdict:
        """Returns what the webhook says; raises CheckFailed for nonsense."""
        request = UpstreamRequest(
            method="POST", url=self._url, headers=dict(self._headers), body=msgspec.json.encode(self._question(asked))
        )
        body = await post(self._client, request, self._timeouts)
        try:
            answer = _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CheckFailed(f"its answer cannot be read: {error}") from None
        if answer.action == "mask":
            if answer.texts is None:
                raise CheckFailed('its answer says "mask" and has no texts')
            return Verdict(texts=answer.texts, reason=answer.reason)
        return Verdict(bad=True, reason=answer.reason) if answer.action == "block" else ALLOWED

    def _question(self, asked: Asked) -> Question:
        exchange, key = asked.exchange, asked.exchange.key
        return Question(
            self._rule.name,
            asked.where,
            asked.texts,
            asked.context,
            exchange.id,
            exchange.model,
            key.id if key is not None else None,
            key.team if key is not None else None,
            key.user if key is not None else None,
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.close()
