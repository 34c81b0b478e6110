"""A guardrail's webhook on a real socket, which says what a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from tests.support.hostile import HostileUpstream, Peer, fixed

Says = Callable[[dict[str, Any]], "bytes | dict[str, Any] | None"]


class FakeWebhook(HostileUpstream):
    """Answers questions as JSON, bytes as they are, and with None nothing ever. `questions` are what it was asked."""

    def __init__(self, says: Says) -> None:
        super().__init__(self._talk)
        self.questions: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.came = asyncio.Event()
        self._says = says

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"{self.origin}/check"

    async def _talk(self, peer: Peer) -> None:
        while True:
            head, _, body = (await peer.request()).partition(b"\r\n\r\n")
            self.heads.append(head.decode())
            self.questions.append(json.loads(body))
            self.came.set()
            answer = self._says(self.questions[-1])
            if answer is None:
                await peer.gone.wait()
                return
            if isinstance(answer, bytes):
                await peer.send(answer)
                peer.transport.close()
                return
            await peer.send(fixed(json.dumps(answer).encode(), headers="content-type: application/json\r\n"))


def bad_if(word: str) -> Says:
    """Returns an opinion: texts with a word, or that have it from what went before, are blocked."""

    def says(question: dict[str, Any]) -> dict[str, Any]:
        said = question["context"] + "".join(question["texts"])
        return {"action": "block", "reason": f"says {word}"} if word in said else {"action": "allow"}

    return says
