"""What the file may say of upstreams that speak the Responses API."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from proxy.providers.openai.provider import OpenAIConfig
from proxy.providers.openai_compatible.config import OpenAICompatibleConfig
from proxy.providers.responses.config import ResponsesConfig


@pytest.mark.parametrize(("kind", "api"), [(OpenAIConfig, "auto"), (OpenAICompatibleConfig, "chat")])
def test_what_is_spoken_by_default(kind: Any, api: str) -> None:
    made = kind(base_url="http://127.0.0.1:1/v1")
    assert (made.api, made.store, made.reasoning_summary) == (api, False, None)
    assert issubclass(kind, ResponsesConfig)


@pytest.mark.parametrize("fields", [{"api": "completions"}, {"store": "yes"}, {"reasoning_summary": "long"}])
def test_what_cannot_be_said(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"base_url": "http://127.0.0.1:1/v1", **fields}, OpenAICompatibleConfig)
