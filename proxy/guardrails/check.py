"""What asking somebody else about texts comes down to: what is asked, the answer, and what counts as none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from ..errors import ExchangeError, PenstockError
from ..upstream.client import Timeouts, UpstreamClient, UpstreamRequest
from .rules import GuardrailRule, Where

if TYPE_CHECKING:
    from ..exchange import Exchange

_log = logging.getLogger("penstock")
_MAX_ANSWER = 8 * 1024 * 1024


class Asked(msgspec.Struct, frozen=True):
    """Texts of one place of an exchange. `context` is the end of what stood in front of them, and has passed."""

    exchange: Exchange
    where: Where
    texts: tuple[str, ...]
    context: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """What somebody says of texts: nothing, that they may not pass (`bad`), or what to put in their place (`texts`).

    `failed` says why there is no answer; then `bad` is what the rule wants in that case.
    """

    bad: bool = False
    texts: tuple[str, ...] | None = None
    reason: str = ""
    failed: str | None = None


ALLOWED = Verdict()


class CheckFailed(PenstockError):
    """Whoever was asked has given no usable answer; says why."""


class Check(Protocol):
    """Somebody who can be asked about texts. One instance a worker."""

    async def ask(self, asked: Asked) -> Verdict:
        """Returns the verdict; raises CheckFailed, ExchangeError or OSError where there is none."""

    async def close(self) -> None:
        """Closes all connections."""


class Asking:
    """Asks for one rule, within its time. A failure is told to the log once, until an answer comes again."""

    def __init__(self, rule: GuardrailRule, check: Check) -> None:
        self.rule = rule
        self._check = check
        self._failing = False

    async def verdict(self, asked: Asked) -> Verdict:
        """Returns the verdict, or what the rule says of none."""
        try:
            async with asyncio.timeout(float(self.rule.timeout)):
                verdict = await self._check.ask(asked)
            if verdict.texts is not None and len(verdict.texts) != len(asked.texts):
                raise CheckFailed(f"{len(verdict.texts)} texts came back for {len(asked.texts)}")
        except TimeoutError:
            return self._failed(f"no answer within {float(self.rule.timeout):g} s", "timeout")
        except (CheckFailed, ExchangeError, OSError) as error:
            return self._failed(str(error), "error")
        except Exception as error:  # a bug in a check must not let through what nobody has looked at
            _log.error("guardrail rule %s failed", self.rule.name, exc_info=error)
            return self._failed(type(error).__name__, "error")
        if self._failing:
            self._failing = False
            _log.warning("guardrail rule %s is answered again", self.rule.name)
        return verdict

    def _failed(self, why: str, kind: str) -> Verdict:
        if not self._failing:
            self._failing = True
            _log.warning("guardrail rule %s has no answer: %s; until it has, it lets %s pass", self.rule.name, why,
                         "nothing" if self.rule.on_error == "block" else "everything")  # fmt: skip
        return Verdict(bad=self.rule.on_error == "block", reason="not checked", failed=kind)

    async def close(self) -> None:
        """Closes all connections."""
        await self._check.close()


async def post(client: UpstreamClient, request: UpstreamRequest, timeouts: Timeouts) -> bytes:
    """Returns the body of a good answer; raises CheckFailed for any other, and ExchangeError without one."""
    response = await client.send(request, timeouts)
    try:
        body = await response.read(_MAX_ANSWER)
    except BaseException:
        response.close()
        raise
    if response.status != 200:
        raise CheckFailed(f"status {response.status}")
    return body


def joined(asked: Asked) -> Sequence[str]:
    """Returns the texts with what stood in front of the first of them."""
    first, *rest = asked.texts
    return (asked.context + first, *rest)
