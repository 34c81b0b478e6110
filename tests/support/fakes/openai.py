"""OpenAI and Azure: both APIs on one server, and what Azure has of its own around them."""

from __future__ import annotations

import re
from typing import Any

from tests.support.fakes import claude, responses
from tests.support.fakes.chat import ChatServer
from tests.support.fakes.server import KEY, Received, Refused, Told, bearer
from tests.support.strict_chat import COMMON, OPENAI

_FILTERS = [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}]
_FIRST = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": _FILTERS}
_DEPLOYMENT = re.compile(r"/openai/deployments/[\w.-]+/chat/completions\?api-version=\d{4}-\d{2}-\d{2}")
_CHAT = ("/openai/v1/chat/completions",)
_RESPONSES = re.compile(r"/openai/(v1/responses|responses\?api-version=\d{4}-\d{2}-\d{2}-preview)")
_AI = "/models/chat/completions?api-version=2024-05-01-preview"
_OF_AI = COMMON - {"reasoning_effort", "parallel_tool_calls", "user", "logprobs", "top_logprobs", "logit_bias"}


class OpenAI(ChatServer):
    """OpenAI's own API. Over chat completions its models show nothing of what they think."""

    keys = OPENAI | {"store", "metadata"}
    thoughts = None

    def answer(self, request: Received) -> bytes:
        """Returns the whole answer to a request of either API."""
        if request.target != "/v1/responses":
            return super().answer(request)
        bearer(request)
        return responses.answered(self, request.fields)


class AzureOpenAI(OpenAI):
    """A resource of Azure with OpenAI's models: the v1 path, and deployments."""

    def answer(self, request: Received) -> bytes:
        """Returns the whole answer to a request of either API."""
        if request.headers.get("api-key") != KEY:
            raise Refused("key", "")
        assert "authorization" not in request.headers, "a key, and a token"
        if _RESPONSES.fullmatch(request.target):
            return responses.answered(self, request.fields)
        assert request.target in _CHAT or _DEPLOYMENT.fullmatch(request.target), request.target
        return self.chat(request.fields)

    def first_chunks(self) -> list[dict[str, Any]]:
        """Returns what the filter says of the prompt."""
        return [_FIRST]

    def error(self, kind: str, message: str) -> Told:
        """Returns an error before the answer, in Azure's words where those are others."""
        if kind == "key":
            return Told(401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key."}})
        if kind == "rate":
            return Told(429, {"error": {"code": "429", "message": "Please retry later."}}, "retry-after: 0.1\r\n")
        return super().error(kind, message)


class AzureAI(AzureOpenAI):
    """A resource of Foundry: the inference API with a model that shows what it thinks, and Claude."""

    thoughts = "reasoning_content"
    always_thinks = True

    def answer(self, request: Received) -> bytes:
        """Returns the whole answer to a request."""
        if request.headers.get("api-key") != KEY:
            raise Refused("key", "")
        if request.target == "/anthropic/v1/messages":
            claude.check_key(request)
            return claude.answered(self, request.fields)
        bearer(request)
        assert request.target == _AI, request.target
        fields = request.fields
        unknown = set(fields) - _OF_AI
        passes = request.headers.get("extra-parameters") == "pass-through"
        assert passes or not unknown, f"Extra inputs are not permitted: {sorted(unknown)}"
        return self.chat(fields)

    keys = COMMON

    def error(self, kind: str, message: str) -> Told:
        """Returns an error before the answer; refusals of requests as FastAPI has them."""
        return Told(422, {"detail": [{"msg": message}]}) if kind == "mistake" else super().error(kind, message)
