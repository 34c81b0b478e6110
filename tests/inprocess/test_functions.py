"""The functions of the package: any provider's models, with the key of the environment or of the call."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import proxy
from proxy import acompletion, aresponses, completion, get_responses, input_tokens, responses
from proxy.errors import BadRequest
from tests.support.serving import ROOT
from tests.support.talking import Talks

LAZY = """
import sys, time
began = time.process_time()
import proxy
from proxy import __version__
took = time.process_time() - began
heavy = {"openai", "aiohttp", "uvloop", "msgspec", "proxy.inprocess"}
print(took < 0.05, heavy & set(sys.modules))
"""


def test_importing_the_package_imports_nothing() -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout == "True set()\n"


def test_all_that_is_offered_is_there() -> None:
    for name in proxy.__all__:
        assert getattr(proxy, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'a_response'"):
        proxy.a_response  # noqa: B018


async def test_the_echo_models_need_nothing() -> None:
    made = await aresponses(model="echo", input="Hello, river.", max_output_tokens=100)
    assert (made.output_text, made.model) == ("Hello, river.", "echo")
    assert get_responses(made.id) == made
    events = list(responses(model="echo/echo-reasoning", input="Hello.", stream=True))
    assert "response.reasoning_text.delta" in [event.type for event in events]
    said = [{"role": "user", "content": "Hello."}]
    assert (await acompletion("echo", said)).choices[0].message.content == "Hello."
    assert completion("echo/echo", said).model == "echo/echo"
    assert input_tokens("Hello.", "echo").input_tokens > 0


def test_without_a_key_it_is_said_which_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "GROQ_", "GEMINI_", "GOOGLE_", "AWS_", "ANTHROPIC_")):
            monkeypatch.delenv(name)
    for model, variable in (
        ("gpt-4o", "OPENAI_API_KEY"),
        ("openai/gpt-4o", "OPENAI_API_KEY"),
        ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-2.5-flash", "GEMINI_API_KEY"),
        ("groq/llama-3.3-70b", "GROQ_API_KEY"),
    ):
        with pytest.raises(BadRequest, match=variable) as refused:
            responses(model=model, input="hi")
        assert (refused.value.param, refused.value.code) == ("model", "model_not_found")
        with pytest.raises(BadRequest, match=variable):
            responses(model=model, input="hi", stream=True)


async def test_a_key_that_is_set_later_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XAI_API_KEY", raising=False)
    with pytest.raises(BadRequest, match="XAI_API_KEY is not set"):
        await aresponses(model="xai/grok", input="hi")
    async with Talks({"content": "Hello."}) as up:
        monkeypatch.setenv("XAI_API_KEY", "k")
        chat = await acompletion("xai/grok", [{"role": "user", "content": "hi"}], base_url=up.origin)
        assert chat.choices[0].message.content == "Hello."
        made = await aresponses(model="xai/grok", input="hi", base_url=up.origin)
        assert (made.output_text, made.model) == ("Hello.", "xai/grok")
        assert up.requests[0]["model"] == "grok"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"model": "llama3"}, "names no provider|says no provider"),
        ({"model": "nobody/llama3"}, "says no provider"),
        ({"model": ""}, "non-empty string"),
        ({}, "Missing required parameter: 'model'"),
        ({"model": "llama3", "base_url": "ftp://x"}, "must begin with http"),
        ({"model": "llama3", "custom_llm_provider": "nobody"}, "no provider 'nobody'"),
        ({"model": "openai/gpt-4o", "api_key": "os.environ/NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE is not set"),
    ],
)
async def test_what_cannot_be_served_is_said(asked: dict[str, str], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        await aresponses(input="hi", **asked)


PAGE = (ROOT / "docs" / "in-process.md").read_text()


def test_the_page_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for code in blocks:
        exec(compile(code, "in-process.md", "exec"), {})
    assert len(blocks) == 5
    assert capsys.readouterr().out == "Hello, river.\n" * 5


def test_the_page_names_what_is_offered() -> None:
    for name in proxy.__all__:
        if not name.startswith(("a", "__")):
            assert name in PAGE
