"""Asks a guardrail of Amazon Bedrock (ApplyGuardrail), signed as everything else that goes to that upstream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ..refusal import raise_for_status
from .check import ALLOWED, Asked, CheckFailed, Verdict
from .rules import GuardrailRule

if TYPE_CHECKING:  # where there is one of that kind, it has been loaded
    from ..providers.bedrock.provider import Bedrock

_MAX_ANSWER = 4 * 1024 * 1024


class _Output(msgspec.Struct):
    text: str = ""


class _Answer(msgspec.Struct):
    action: str
    outputs: list[_Output] = []
    assessments: list[dict[str, Any]] = []


_decode = msgspec.json.Decoder(_Answer).decode


class BedrockGuardrail:
    """One guardrail, over one upstream of kind bedrock."""

    def __init__(self, rule: GuardrailRule, provider: Bedrock) -> None:
        assert rule.guardrail is not None
        self._guardrail = rule.guardrail
        self._version = rule.version
        self._provider = provider

    async def ask(self, asked: Asked) -> Verdict:
        """Returns what the guardrail says: it blocks, or it gives the texts with what is personal made anonymous."""
        source = "INPUT" if asked.where == "input" else "OUTPUT"
        answer = await self._apply(source, asked.texts)
        verdict = _verdict(answer)
        if verdict.texts is None or len(verdict.texts) == len(asked.texts):
            return verdict
        masked: list[str] = []  # it has put several into one: they are asked about one by one
        for text in asked.texts:
            one = _verdict(await self._apply(source, (text,)))
            if one.bad:
                return one
            masked.append(text if one.texts is None else "".join(one.texts))
        return Verdict(texts=tuple(masked), reason=verdict.reason)

    async def _apply(self, source: str, texts: Sequence[str]) -> _Answer:
        provider = self._provider
        body = {"source": source, "content": [{"text": {"text": text}} for text in texts]}
        request = provider.guardrail_request(self._guardrail, self._version, msgspec.json.encode(body))
        response = await provider.client.send(request, provider.timeouts)
        try:
            await raise_for_status(provider, response)
            answer = await response.read(_MAX_ANSWER)
        except BaseException:
            response.close()
            raise
        try:
            return _decode(answer)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CheckFailed(f"its answer cannot be read: {error}") from None

    async def close(self) -> None:
        """Does nothing: the connections are the upstream's."""


def _verdict(answer: _Answer) -> Verdict:
    if answer.action == "NONE":
        return ALLOWED
    if answer.action != "GUARDRAIL_INTERVENED":
        raise CheckFailed(f'its answer has the action "{answer.action[:40]}"')
    found = list(_findings(answer.assessments))
    reason = ", ".join(dict.fromkeys(name for name, _ in found))[:200]
    if answer.outputs and found and all(action == "ANONYMIZED" for _, action in found):
        return Verdict(texts=tuple(output.text for output in answer.outputs), reason=reason)
    return Verdict(bad=True, reason=reason)


def _findings(part: Any, policy: str = "") -> Iterator[tuple[str, str]]:
    """Yields policy and action of everything that the guardrail has acted on, wherever in the assessments it stands."""
    if isinstance(part, list):
        for one in part:
            yield from _findings(one, policy)
    elif isinstance(part, dict):
        action = part.get("action")
        if isinstance(action, str) and action != "NONE":
            yield policy, action
        for name, inner in part.items():
            yield from _findings(inner, name if name.endswith("Policy") else policy)
