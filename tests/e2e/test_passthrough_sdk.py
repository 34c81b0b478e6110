"""Other endpoints by the `openai` SDK: embeddings, images, audio, files and more; and what its Azure client asks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from aiohttp import web

from proxy.config.types import Secret
from proxy.keyring import KeyEntry
from proxy.pipeline import Settings
from proxy.providers.provider import Deployment
from proxy.stores.memory import MemoryStore
from stages.auth import Auth, AuthConfig
from tests.support.chat_streams import chunk, sse
from tests.support.house import house
from tests.support.passing import Came, Endpoint, answers, endpoint, passing, upstream

USAGE = {"prompt_tokens": 5, "total_tokens": 5}
EMBEDDINGS = {
    "object": "list",
    "model": "up-model",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}],
    "usage": USAGE,
}
FILE = {
    "id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "a.jsonl", "purpose": "batch",
    "status": "processed",
}  # fmt: skip


def client_of(home):
    return openai.AsyncOpenAI(base_url=home.url, api_key="sk-client", max_retries=0, timeout=10)


async def test_embeddings() -> None:
    async with endpoint(answers(EMBEDDINGS)) as up, passing(up) as home, client_of(home) as client:
        made = await client.embeddings.create(model="m", input=["a", "b"], encoding_format="float", dimensions=2)
        exchange = await home.settled()
    assert made.data[0].embedding == [0.5, -1.0]
    (came,) = up.came
    assert (came.method, came.path) == ("POST", "/v1/embeddings")
    assert came.headers["authorization"] == "Bearer sk-operator"
    assert json.loads(came.body) == {
        "model": "up-model", "input": ["a", "b"], "encoding_format": "float", "dimensions": 2,
    }  # fmt: skip
    assert (exchange.outcome, exchange.model, exchange.head_status) == ("completed", "m", 200)
    assert exchange.usage is not None
    assert (exchange.usage.input_tokens, exchange.usage.total_tokens) == (5, 5)
    assert (home.watcher.began, len(home.watcher.ended)) == (1, 1)
    assert exchange.request.dialect == "raw"


async def test_images() -> None:
    usage: dict[str, Any] = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    usage["input_tokens_details"] = {"text_tokens": 3, "image_tokens": 0}
    made = {"created": 1, "data": [{"b64_json": "aGk="}], "usage": usage}
    async with endpoint(answers(made)) as up, passing(up) as home, client_of(home) as client:
        drawn = await client.images.generate(model="m", prompt="a river")
        edited = await client.images.edit(model="m", prompt="a lake", image=("a.png", b"\x89PNG", "image/png"))
        exchange = await home.settled(2)
    assert drawn.data is not None
    assert edited.data is not None
    assert (drawn.data[0].b64_json, edited.data[0].b64_json) == ("aGk=", "aGk=")
    assert [one.path for one in up.came] == ["/v1/images/generations", "/v1/images/edits"]
    assert b"up-model" in up.came[1].body
    assert b"\x89PNG" in up.came[1].body
    assert exchange.usage is not None
    assert exchange.usage.output_tokens == 4


async def test_speech_comes_as_it_is_made() -> None:
    async def speak(request: web.BaseRequest, came: Came) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "audio/mpeg"})
        await response.prepare(request)
        for piece in (b"one", b"two"):
            await response.write(piece)
        return response

    async with endpoint(speak) as up, passing(up) as home, client_of(home) as client:
        async with client.audio.speech.with_streaming_response.create(
            model="m", voice="alloy", input="Hello, river."
        ) as response:
            assert response.headers["content-type"] == "audio/mpeg"
            assert b"".join([piece async for piece in response.iter_bytes()]) == b"onetwo"
    assert json.loads(up.came[0].body)["model"] == "up-model"


@pytest.mark.parametrize("size", [10, 3_000_000])
async def test_transcriptions(size: int) -> None:
    async with endpoint(answers({"text": "Hello."})) as up, passing(up) as home, client_of(home) as client:
        made = await client.audio.transcriptions.create(model="m", file=("a.wav", bytes(size), "audio/wav"))
        exchange = await home.settled()
    assert made.text == "Hello."
    assert exchange.model == "m"
    (came,) = up.came
    assert came.path == "/v1/audio/transcriptions"
    assert int(came.headers["content-length"]) == came.length > size
    assert b'name="model"\r\n\r\nup-model\r\n' in came.body


async def file_life(home, up: Endpoint) -> None:
    async with client_of(home) as client:
        made = await client.files.create(file=("a.jsonl", b"{}\n"), purpose="batch")
        assert made.id == "file-1"
        assert (await client.files.retrieve("file-1")).filename == "a.jsonl"
        assert [one.id async for one in client.files.list(limit=5, purpose="batch")] == ["file-1"]
        assert (await client.files.content("file-1")).read() == b"{}\n"
        assert (await client.files.delete("file-1")).deleted


async def test_files() -> None:
    async def store(request: web.BaseRequest, came: Came) -> web.StreamResponse:
        path, _, query = came.path.partition("?")
        if path.endswith("/content"):
            return web.Response(body=b"{}\n", content_type="application/octet-stream",
                                headers={"content-disposition": 'attachment; filename="a.jsonl"'})  # fmt: skip
        if came.method == "DELETE":
            return web.json_response({"id": "file-1", "object": "file", "deleted": True})
        if path == "/v1/files" and came.method == "GET":
            assert query == "limit=5&purpose=batch"
            return web.json_response({"object": "list", "data": [FILE], "has_more": False})
        return web.json_response(FILE)

    async with endpoint(store) as up, passing(up) as home:
        await file_life(home, up)
        exchange = await home.settled(5)
    assert [(one.method, one.path.partition("?")[0]) for one in up.came] == [
        ("POST", "/v1/files"), ("GET", "/v1/files/file-1"), ("GET", "/v1/files"), ("GET", "/v1/files/file-1/content"),
        ("DELETE", "/v1/files/file-1"),
    ]  # fmt: skip
    assert b'name="purpose"\r\n\r\nbatch' in up.came[0].body
    assert (home.watcher.began, len(home.watcher.ended)) == (5, 5)
    assert (exchange.model, exchange.outcome) == (None, "completed")


async def test_moderations_may_name_no_model() -> None:
    verdict = {"id": "modr-1", "model": "omni", "results": []}
    async with endpoint(answers(verdict)) as up, passing(up) as home, client_of(home) as client:
        assert (await client.moderations.create(input="hi")).id == "modr-1"
        assert (await client.moderations.create(input="hi", model="m")).id == "modr-1"
    assert [json.loads(one.body).get("model") for one in up.came] == [None, "up-model"]


async def test_completions_as_a_stream() -> None:
    chunk = {"id": "c", "object": "text_completion", "created": 1, "model": "up-model",
             "choices": [{"index": 0, "text": "Hi", "finish_reason": None, "logprobs": None}]}  # fmt: skip
    last = {**chunk, "choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}}
    body = b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in (chunk, last)) + b"data: [DONE]\n\n"
    streamed = answers(body, content_type="text/event-stream")
    async with endpoint(streamed) as up, passing(up) as home, client_of(home) as client:
        stream = await client.completions.create(model="m", prompt="Say hi", stream=True)
        assert [one.choices[0].text async for one in stream if one.choices] == ["Hi"]
        exchange = await home.settled()
    assert up.came[0].path == "/v1/completions"
    assert exchange.usage is not None
    assert (exchange.usage.output_tokens, exchange.request.stream) == (1, True)


async def test_errors_are_told_as_the_upstream_gave_them() -> None:
    said = {"error": {"message": "'input' is too long", "type": "invalid_request_error", "param": "input",
                      "code": None, "more": [1]}}  # fmt: skip
    refusing = answers(said, status=400, x_ratelimit_remaining_requests="7")
    async with endpoint(refusing) as up, passing(up) as home, client_of(home) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.embeddings.create(model="m", input="x")
        exchange = await home.settled()
    assert caught.value.body == said["error"]
    assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "7"
    assert (exchange.outcome, exchange.head_status, len(up.came)) == ("failed", 400, 1)


BATCH = {
    "id": "batch_1", "object": "batch", "endpoint": "/v1/responses", "input_file_id": "file-1", "status": "validating",
    "completion_window": "24h", "created_at": 1,
}  # fmt: skip
JOB = {
    "id": "ftjob-1", "object": "fine_tuning.job", "created_at": 1, "model": "m", "training_file": "file-1", "seed": 1,
    "status": "queued", "organization_id": "o", "result_files": [], "hyperparameters": {"n_epochs": "auto"},
}  # fmt: skip
STORE = {
    "id": "vs_1", "object": "vector_store", "created_at": 1, "name": "docs", "status": "completed", "usage_bytes": 0,
    "file_counts": {"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 0},
}  # fmt: skip


async def test_what_an_upstream_keeps_is_asked_of_its_owner() -> None:
    objects = {"batches": BATCH, "fine_tuning": JOB, "vector_stores": STORE}

    async def keep(request: web.BaseRequest, came: Came) -> web.StreamResponse:
        made = objects[came.path.split("/")[2]]
        if came.method == "DELETE":
            made = {"id": made["id"], "object": "vector_store.deleted", "deleted": True}
        return web.json_response(made)

    owning = Settings(default_upstream="up1")
    async with endpoint(answers({})) as other, endpoint(keep) as up:
        async with passing(other, up, settings=owning) as home, client_of(home) as client:
            batch = await client.batches.create(
                completion_window="24h", endpoint="/v1/responses", input_file_id="file-1"
            )
            assert (await client.batches.cancel(batch.id)).id == "batch_1"
            assert (await client.fine_tuning.jobs.create(model="m", training_file="file-1")).id == "ftjob-1"
            store = await client.vector_stores.create(name="docs", file_ids=["file-1"])
            assert (await client.vector_stores.delete(store.id)).deleted
    assert not other.came
    assert [(one.method, one.path) for one in up.came] == [
        ("POST", "/v1/batches"), ("POST", "/v1/batches/batch_1/cancel"), ("POST", "/v1/fine_tuning/jobs"),
        ("POST", "/v1/vector_stores"), ("DELETE", "/v1/vector_stores/vs_1"),
    ]  # fmt: skip
    assert json.loads(up.came[2].body)["model"] == "m"  # the upstream's own name, whatever `models` say


def chat_answer(request: bytes) -> web.StreamResponse:
    if b'"stream":true' in request:
        said = sse(chunk({"content": "Hi"}, "stop", id="theirs", model="up-model"))
        return web.Response(body=said, content_type="text/event-stream")
    message = {"role": "assistant", "content": "Hi"}
    return web.json_response({"id": "theirs", "object": "chat.completion", "created": 1, "model": "up-model",
                              "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})  # fmt: skip


async def azure_upstream(request: web.BaseRequest, came: Came) -> web.StreamResponse:
    assert "api-version" not in came.path
    if came.path.endswith("/chat/completions"):
        return chat_answer(came.body)
    return web.json_response({"text": "Hello."} if "audio" in came.path else EMBEDDINGS)


@pytest.mark.parametrize("model", ["m", "some/long/name"])
async def test_azures_client(model: str) -> None:
    keys = Auth(AuthConfig(keys=(KeyEntry(id="a", key=Secret("sk-client", "env:KEY")),)))
    async with endpoint(azure_upstream) as up:
        provider = upstream(up)
        served = {model: [Deployment(provider, "up-model")], "other": [Deployment(provider, "other-model")]}
        async with house(provider, models=served, stages=[keys], store=MemoryStore()) as home:
            place: dict[str, Any] = {"azure_endpoint": home.url.removesuffix("/v1"), "max_retries": 0, "timeout": 10}
            version = "2024-10-21"
            async with openai.AsyncAzureOpenAI(api_key="sk-client", api_version=version, **place) as client:
                messages: Any = [{"role": "user", "content": "hi"}]
                made = await client.chat.completions.create(model=model, messages=messages)
                assert (made.model, made.choices[0].message.content) == (model, "Hi")
                stream = await client.chat.completions.create(model=model, messages=messages, stream=True)
                assert {one.model async for one in stream} == {model}
                said = await client.responses.create(model=model, input="hi")
                assert (said.output_text, said.model) == ("Hi", model)
                assert (await client.responses.retrieve(said.id)).output_text == "Hi"
                assert (await client.embeddings.create(model=model, input="a")).data[0].embedding == [0.5, -1.0]
                spoken = ("a.wav", b"RIFF", "audio/wav")
                assert (await client.audio.transcriptions.create(model=model, file=spoken)).text == "Hello."
                assert model in [one.id async for one in client.models.list()]
            async with openai.AsyncAzureOpenAI(
                api_key="sk-client", api_version=version, azure_deployment=model, **place
            ) as client:  # the deployment of the path counts, as on Azure
                assert (await client.chat.completions.create(model="other", messages=messages)).model == model
            with openai.AzureOpenAI(api_key="wrong", api_version=version, **place) as plain:
                with pytest.raises(openai.AuthenticationError):
                    await asyncio.to_thread(plain.chat.completions.create, model=model, messages=messages)
            async with openai.AsyncOpenAI(
                base_url=f"{place['azure_endpoint']}/openai/v1", api_key="sk-client", max_retries=0
            ) as client:
                assert (await client.responses.create(model=model, input="hi")).output_text == "Hi"
    assert {one.path for one in up.came} == {
        "/v1/chat/completions", "/v1/embeddings", "/v1/audio/transcriptions"}  # fmt: skip
    assert all(b"up-model" in one.body for one in up.came)
