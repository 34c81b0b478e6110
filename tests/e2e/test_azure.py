"""Azure from its sockets to the client: what was recorded there, over both APIs; errors; as its own SDK asks it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest

from proxy.config.loader import load_text
from proxy.config.types import Secret
from proxy.providers.azure_ai.config import AzureAIConfig
from proxy.providers.azure_ai.provider import AzureAI
from proxy.providers.azure_openai.config import AzureOpenAIConfig
from proxy.providers.azure_openai.entra import Entra
from proxy.providers.azure_openai.provider import AzureOpenAI
from proxy.providers.provider import Deployment, Provider
from stages.route import Route, RouteConfig
from tests.support.azure import Asked, Azure, Identity, said, streamed
from tests.support.claude import streamed as claude_says
from tests.support.fixtures import SHARED, needs_shared, recording, recordings
from tests.support.grammar import check_stream
from tests.support.house import House, house
from tests.support.responses_streams import LOOSE
from tests.support.scripted import events_of

CHAT = {
    row["path"]: row["facts"]
    for row in recordings("openai-chat-completions-stream")
    if row["provider"] in ("azure-openai", "azure-ai")
}
RESPONSES = [row["path"] for row in recordings("openai-responses-stream") if row["provider"] == "azure-openai"]
VERSION = "2024-10-21"
MODEL = "gpt-4o"


def openai_on(azure: Azure, name: str = "az", **settings: Any) -> AzureOpenAI:
    return AzureOpenAI(name, AzureOpenAIConfig(**{"base_url": azure.origin, "api_key": Secret("k1"), **settings}))


def foundry_on(azure: Azure, **settings: Any) -> AzureAI:
    return AzureAI("ai", AzureAIConfig(**{"base_url": azure.origin, "api_key": Secret("k1"), **settings}))


@asynccontextmanager
async def serving(*providers: Provider, model: str = MODEL, retries: int = 0) -> AsyncIterator[House]:
    """Runs a server whose model `m` is that deployment of each of the upstreams in turn."""
    table = {"m": [Deployment(one, model, 1000.0**-at) for at, one in enumerate(providers)]}
    async with house(*providers, models=table, route=Route(RouteConfig(retries=retries))) as home:
        yield home


def told(facts: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """Returns what a recording says: the digest of its text, and its calls."""
    choice = next(one for one in facts["choices"] if one["index"] == 0)
    return choice["text"]["sha256"], [(one["name"], one["arguments"]) for one in choice.get("tool_calls", [])]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@needs_shared
def test_there_are_recordings() -> None:
    assert (len(CHAT), len(RESPONSES)) == (5, 2)


@pytest.mark.parametrize("path", CHAT)
async def test_recorded_chat_for_clients_of_the_responses_api(path: str) -> None:
    async with Azure(streamed(recording(path))) as azure:
        up = foundry_on(azure) if path.startswith("azure-ai/") else openai_on(azure, api="chat")
        async with serving(up) as home:
            status, _, body = await home.ask(stream=True)
            outcome = (await home.settled()).outcome
    checked = check_stream(body)
    assert (status, outcome) == (200, "completed")
    assert (sha(checked.text), checked.calls) == told(CHAT[path])


@pytest.mark.parametrize("path", CHAT)
async def test_recorded_chat_for_the_sdk(path: str) -> None:
    async with Azure(streamed(recording(path))) as azure:
        up = foundry_on(azure) if path.startswith("azure-ai/") else openai_on(azure, api="chat")
        async with serving(up) as home, openai.AsyncOpenAI(base_url=home.url, api_key="x", max_retries=0) as client:
            text, calls = "", ""
            async with await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}], stream=True
            ) as stream:
                async for chunk in stream:
                    delta = chunk.choices[0].delta if chunk.choices else None
                    text += (delta.content if delta is not None else None) or ""
                    for call in (delta.tool_calls if delta is not None else None) or ():
                        calls += (call.function.arguments if call.function is not None else None) or ""
    expected, called = told(CHAT[path])
    assert (sha(text), calls) == (expected, "".join(arguments for _, arguments in called))


@pytest.mark.parametrize("path", RESPONSES)
async def test_recorded_responses(path: str) -> None:
    async with Azure(streamed(recording(path))) as azure, serving(openai_on(azure)) as home:
        status, _, body = await home.ask(stream=True)
    checked = check_stream(body, profile=LOOSE)
    assert (status, checked.response["status"]) == (200, "completed")
    assert azure.asked[0].path == "/openai/v1/responses"
    raw = [json.loads(line[6:]) for line in recording(path).splitlines() if line.startswith(b"data: {")]
    last = next(event["response"] for event in raw if event["type"] == "response.completed")
    assert [item["type"] for item in checked.output] == [item["type"] for item in last["output"]]


@needs_shared
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_the_filter_ends(stream: bool) -> None:
    assert SHARED is not None
    example = (SHARED / "examples-upstream" / "azure-chat-filtered.sse").read_bytes()
    whole = said(json.loads(recording("azure-openai/chat-content-filter.json")))
    async with Azure(streamed(example) if stream else whole) as azure, serving(openai_on(azure, api="chat")) as home:
        status, _, body = await home.ask(stream=stream)
        exchange = await home.settled()
    final = check_stream(body).response if stream else json.loads(body)
    assert (status, final["status"]) == (200, "incomplete")
    assert final["incomplete_details"] == {"reason": "content_filter"}
    assert exchange.outcome == "incomplete"
    assert exchange.usage is not None
    assert exchange.usage.total_tokens == (16 if stream else 34)
    if stream:
        assert final["output"][0]["content"][0]["text"] == "Hello"


@needs_shared
@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_that_the_filter_refuses(stream: bool) -> None:
    assert SHARED is not None
    refusal = json.loads((SHARED / "examples-upstream" / "azure-error-content-filter-400.json").read_bytes())
    async with Azure(said(refusal, 400)) as azure, Azure(said({})) as other:
        async with serving(openai_on(azure), openai_on(other, "az2"), retries=2) as home:
            status, _, body = await home.ask(stream=stream)
    error = json.loads(body)["error"]
    assert (status, error["code"], error["param"]) == (400, "content_filter", None)
    assert "violence (medium)" in error["message"]
    assert not other.asked


async def test_a_full_resource_leads_to_the_next_at_once() -> None:
    full = said(
        {"error": {"code": "429", "message": "Please retry after 60 seconds."}}, 429, "retry-after-ms: 60000\r\n"
    )
    answer = streamed(
        b'data: {"choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )
    async with Azure(full) as azure, Azure(answer) as other:
        ups = openai_on(azure, api="chat"), openai_on(other, "az2", api="chat")
        async with serving(*ups, retries=1) as home:
            status, headers, body = await home.ask(stream=True)
    assert (status, headers["x-penstock-upstream"]) == (200, "az2")
    assert check_stream(body).text == "ok"


async def test_a_deployment_that_is_not_there() -> None:
    missing = said({"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}, 404)
    async with Azure(missing) as azure, serving(openai_on(azure)) as home:
        status, _, body = await home.ask()
    error = json.loads(body)["error"]
    assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")


async def test_reasoning_that_another_resource_has_made_is_left_out_by_itself() -> None:
    done = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5",
            "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                        "content": [{"type": "output_text", "text": "ok", "annotations": []}]}]}  # fmt: skip
    refusal = said({"error": {"code": "invalid_encrypted_content", "message": "It could not be verified."}}, 400)
    async with Azure(refusal, said(done)) as azure:
        async with serving(openai_on(azure), model="gpt-5", retries=1) as home:
            thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
            status, _, body = await home.ask(input=[thought, {"role": "user", "content": "and?"}])
    assert (status, json.loads(body)["output"][0]["content"][0]["text"]) == (200, "ok")
    assert [len(one.body["input"]) for one in azure.asked] == [2, 1]


async def test_a_hint_that_a_model_on_foundry_refuses_is_left_out_by_itself() -> None:
    answer = said(
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]}
    )
    async with Azure(said({"detail": {"loc": ["body", "top_p"], "input": 0.5}}, 422), answer) as azure:
        async with serving(foundry_on(azure), model="Phi-4", retries=1) as home:
            status, headers, _ = await home.ask(top_p=0.5, temperature=0)
    assert (status, headers["x-penstock-ignored-params"]) == (200, "top_p")
    assert [sorted(one.body) for one in azure.asked] == [
        ["messages", "model", "temperature", "top_p"],
        ["messages", "model", "temperature"],
    ]


@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
async def test_claude_on_foundry(path: str) -> None:
    def answer(asked: Asked) -> bytes:
        assert (asked.path, asked.headers["api-key"]) == ("/anthropic/v1/messages", "k1")
        return streamed(b"".join(claude_says([{"type": "text", "text": "Hello, river."}])))

    async with Azure(answer) as azure, serving(foundry_on(azure), model="claude-sonnet-4-5") as home:
        status, _, body = await home.ask(path, stream=True)
    chunks = [one for _, one in events_of(body) if isinstance(one, dict) and one.get("choices")]
    deltas = [one["choices"][0]["delta"].get("content") or "" for one in chunks]
    text = check_stream(body).text if path == "/responses" else "".join(deltas)
    assert (status, text) == (200, "Hello, river.")


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_it_is_asked_as_its_own_sdk_asks_it(api: str) -> None:
    """Path, version and key are those that the SDK sends to the same resource."""
    refusal = said({"error": {"code": "x", "message": "no"}}, 400)
    async with Azure(refusal) as azure:
        sdk = openai.AsyncAzureOpenAI(azure_endpoint=azure.origin, api_key="k1", api_version=VERSION, max_retries=0)
        async with sdk, serving(openai_on(azure, api_version=VERSION, api=api)) as home:
            asking: Any = (
                sdk.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hi"}])
                if api == "chat"
                else sdk.responses.create(model=MODEL, input="hi")
            )
            with pytest.raises(openai.BadRequestError):
                await asking
            await home.ask("/responses" if api == "responses" else "/chat/completions")
    of_sdk, of_penstock = azure.asked
    assert of_penstock[:3] == of_sdk[:3]
    assert of_penstock.headers["api-key"] == of_sdk.headers["api-key"] == "k1"
    assert "authorization" not in of_penstock.headers
    assert of_penstock.body["model"] == of_sdk.body["model"] == MODEL


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ("kind: azure-openai, base_url: {origin}, api_key: k1, api: chat", "/openai/v1/chat/completions"),
        ("kind: azure-ai, base_url: {origin}, api_key: k1, extra_parameters: drop", "/models/chat/completions"),
    ],
)
async def test_as_the_file_says_it(entry: str, path: str) -> None:
    whole = said(
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]}
    )
    async with Azure(whole) as azure:
        text = f"upstreams:\n  az: {{{entry.format(origin=azure.origin)}}}\nmodels:\n  m: [az/x]\npipeline: [route]\n"
        config = load_text(text, "pipeline.yaml")
        one = config.upstreams["az"]
        async with serving(one.provider("az", one.config), model="x") as home:
            status, _, _ = await home.ask()
    assert (status, azure.asked[0].path) == (200, path)


# --- other endpoints


async def test_embeddings_are_asked_as_the_sdk_asks_them() -> None:
    made = said({"object": "list", "data": [], "model": "e", "usage": {"prompt_tokens": 3, "total_tokens": 3}})
    async with Azure(made) as azure:
        sdk = openai.AsyncAzureOpenAI(azure_endpoint=azure.origin, api_key="k1", api_version=VERSION, max_retries=0)
        up = openai_on(azure, api_version=VERSION)
        async with sdk, serving(up, model="embed-3") as home:
            await sdk.embeddings.create(model="embed-3", input="hi", encoding_format="float")
            async with openai.AsyncOpenAI(base_url=home.url, api_key="x", max_retries=0) as client:
                await client.embeddings.create(model="m", input="hi", encoding_format="float")
            exchange = await home.settled()
    of_sdk, of_penstock = azure.asked
    assert of_penstock[:3] == of_sdk[:3]
    assert of_penstock.path == "/openai/deployments/embed-3/embeddings"
    assert of_penstock.body == of_sdk.body
    assert of_penstock.headers["api-key"] == "k1"
    assert "authorization" not in of_penstock.headers
    assert exchange.usage is not None
    assert exchange.usage.input_tokens == 3


async def test_files_of_the_newer_api() -> None:
    async with Azure(said({"data": []})) as azure, serving(openai_on(azure)) as home:
        async with home.session.get(home.url + "/files?limit=2") as got:
            assert got.status == 200
    assert (azure.asked[0].path, azure.asked[0].query) == ("/openai/v1/files", {"limit": ["2"]})


async def test_a_query_stands_behind_the_version() -> None:
    async with Azure(said({"data": []})) as azure, serving(openai_on(azure, api_version=VERSION)) as home:
        async with home.session.get(home.url + "/files?limit=2") as got:
            assert got.status == 200
    assert azure.asked[0].query == {"api-version": [VERSION], "limit": ["2"]}


async def test_an_upload_with_a_token_of_entra(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Identity() as identity, Azure(said({"text": "ok"})) as azure:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", identity.azure.origin)
        up = openai_on(azure, api_key=None, entra=Entra(use="managed-identity"))
        async with serving(up, model="whisper") as home:
            async with openai.AsyncOpenAI(base_url=home.url, api_key="x", max_retries=0) as client:
                made = await client.audio.transcriptions.create(model="m", file=("a.wav", bytes(1_500_000)))
    assert made.text == "ok"
    (asked,) = azure.asked
    assert (asked.path, asked.headers["authorization"]) == ("/openai/v1/audio/transcriptions", "Bearer token-1")
    assert b"\r\n\r\nwhisper\r\n" in asked.body


@pytest.mark.parametrize(
    ("model", "path", "status"),
    [("cohere-embed", "/embeddings", 200), ("claude-opus-4-5", "/embeddings", 400), ("phi-4", "/audio/speech", 400)],
)
async def test_foundry_has_few_other_endpoints(model: str, path: str, status: int) -> None:
    async with Azure(said({"data": []})) as azure, serving(foundry_on(azure), model=model) as home:
        async with home.session.post(home.url + path, json={"model": "m", "input": "hi"}) as got:
            assert got.status == status
    assert [one.path for one in azure.asked] == ["/models/embeddings"] * (status == 200)
