"""Which requests are passed on, to whom, and who is refused."""

from __future__ import annotations

import asyncio
import gzip
import json

import aiohttp
import msgspec
import pytest
from yarl import URL

from proxy.config.types import Secret
from proxy.errors import Overloaded
from proxy.keyring import KeyEntry
from proxy.logs.row import Rows
from proxy.pipeline import Settings
from proxy.providers.provider import Deployment
from stages.auth import Auth, AuthConfig
from stages.guardrail import Guardrail, GuardrailConfig, GuardrailRule
from stages.rate_limit import RateLimit, RateLimitConfig
from stages.transform import HeaderEdits, Transform, TransformConfig
from tests.support.guarding import Oracle, without
from tests.support.house import house
from tests.support.passing import answers, endpoint, passing, upstream
from tests.support.scripted import ScriptedProvider, body

OK = answers({"ok": True})


def error_of(raw):
    return json.loads(raw)["error"]


async def ask(home, path="/embeddings", *, method="POST", headers=None, **options):
    """Sends a request; returns status, headers, body."""
    if method == "POST" and not {"data", "json"} & options.keys():
        options["json"] = {"model": "m", "input": "hi"}
    async with home.session.request(method, f"http://127.0.0.1:{home.port}{path}", headers=headers, **options) as got:
        return got.status, {name.lower(): value for name, value in got.headers.items()}, await got.read()


# --- which paths


@pytest.mark.parametrize(
    "path",
    ["/v1/embeddings", "/embeddings", "/v1/embeddings/", "/v1/audio/speech", "/v1/images/generations", "/v1/rerank",
     "/v1/moderations", "/v1/completions"],
)  # fmt: skip
async def test_paths_that_are_passed_on(path):
    async with endpoint(OK) as up, passing(up) as home:
        status, headers, _ = await ask(home, path)
    assert status == 200
    assert headers["x-penstock-upstream"] == "up0"
    assert headers["x-watched"] == "yes"
    assert up.came[0].path == "/v1" + path.removeprefix("/v1").rstrip("/")


@pytest.mark.parametrize(
    "path",
    ["/v1/files/../chat/completions", "/v1/files/%2e%2e/responses", "/v1/files/a%5cb",
     "/v1/files/./x", "/v1/files//x", "/v1/images", "/v1/audio/", "/v1/assistants", "/v1/threads/t",
     "/v1/files/a/b/c/d/e/f/g", "/v1/files/" + "x" * 300, "/v1/files/a%0d%0ab"],
)  # fmt: skip
async def test_paths_that_are_not(path):
    async with endpoint(OK) as up, passing(up) as home:
        url = URL(f"http://127.0.0.1:{home.port}{path}", encoded=True)
        async with home.session.get(url) as got:
            assert got.status in (404, 405)
    assert not up.came


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/embeddings"), ("HEAD", "/v1/files/f"),
                                              ("DELETE", "/v1/images/x"), ("PUT", "/v1/files/f")])  # fmt: skip
async def test_other_methods_are_refused(method, path):
    async with endpoint(OK) as up, passing(up) as home:
        assert (await ask(home, path, method=method))[0] == 405
    assert not up.came


# --- to whom


async def test_an_unknown_model():
    async with endpoint(OK) as up, passing(up) as home:
        status, _, raw = await ask(home, json={"model": "x", "input": "hi"})
        exchange = await home.settled()
    assert (status, error_of(raw)["code"]) == (400, "model_not_found")
    assert (exchange.outcome, exchange.model, home.watcher.began) == ("rejected", "x", 1)


async def test_an_upstream_that_has_no_such_api():
    async with house(ScriptedProvider("s", body(b"{}"))) as home:
        status, _, raw = await ask(home)
        listed = await ask(home, "/v1/files", method="GET")
    assert (status, error_of(raw)["param"], error_of(raw)["code"]) == (400, "model", "unsupported_endpoint")
    assert '"s" (scripted), which has no /v1/embeddings' in error_of(raw)["message"]
    assert (listed[0], error_of(listed[2])["code"]) == (400, "unsupported_endpoint")
    assert "No upstream of this server has /v1/files" in error_of(listed[2])["message"]


async def test_of_several_upstreams_one_that_has_it():
    other = ScriptedProvider("s", body(b"{}"))
    async with endpoint(OK) as up:
        able = upstream(up)
        models = {"m": [Deployment(other, "x", 1000.0), Deployment(able, "up-model", 0.001)]}
        async with house(other, able, models=models) as home:
            status, headers, _ = await ask(home)
            listed = await ask(home, "/v1/files", method="GET")
            exchange = await home.settled()
    assert (status, headers["x-penstock-upstream"], listed[0]) == (200, "up", 200)
    assert len(exchange.attempts) == 1


async def test_which_upstream_serves_files():
    async with endpoint(OK) as up, endpoint(OK) as other:
        async with passing(up, other) as home:
            status, _, raw = await ask(home, "/v1/files", method="GET")
            assert (status, error_of(raw)["message"]) == (
                400, "Several upstreams have /v1/files: set default_upstream to one of up0, up1.")  # fmt: skip
            status, _, raw = await ask(home, "/v1/moderations", json={"input": "hi"})
            assert (status, error_of(raw)["message"]) == (
                400, "The request names no model, and several upstreams have /v1/moderations: name one.")  # fmt: skip
            assert home.watcher.began == len(home.watcher.ended) == 2
        async with passing(up, other, settings=Settings(default_upstream="up1")) as home:
            assert (await ask(home, "/v1/files?after=a%20b", method="GET"))[1]["x-penstock-upstream"] == "up1"
        async with passing(up, other, settings=Settings(default_upstream="gone")) as home:
            status, _, raw = await ask(home, "/v1/files", method="GET")
            assert (status, '"gone" (default_upstream)' in error_of(raw)["message"]) == (400, True)
    assert [one.path for one in other.came] == ["/v1/files?after=a%20b"]


# --- what the stages do


KEYS = Auth(
    AuthConfig(
        keys=(KeyEntry(id="all", key=Secret("sk-all")), KeyEntry(id="some", key=Secret("sk-some"), models=("m",)))
    )
)


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def form(model="m", **more):
    made = aiohttp.FormData()
    made.add_field("file", b"x" * more.get("size", 10), filename="a.wav")
    if model is not None:
        made.add_field("model", model)
    return made


@pytest.mark.parametrize(
    ("key", "path", "options", "status"),
    [
        (None, "/v1/files", {"method": "GET"}, 401),
        ("sk-wrong", "/v1/embeddings", {}, 401),
        ("sk-all", "/v1/files", {"method": "GET"}, 200),
        ("sk-all", "/v1/moderations", {"json": {"input": "x"}}, 200),
        ("sk-some", "/v1/files", {"method": "GET"}, 200),
        ("sk-some", "/v1/vector_stores", {"method": "GET"}, 200),
        ("sk-some", "/v1/batches", {"json": {"input_file_id": "f"}}, 403),
        ("sk-some", "/v1/fine_tuning/jobs", {"json": {"model": "m"}}, 403),
        ("sk-all", "/v1/fine_tuning/jobs", {"json": {"model": "unknown"}}, 200),
        ("sk-some", "/v1/embeddings", {}, 200),
        ("sk-some", "/v1/embeddings", {"json": {"model": "n"}}, 403),
        ("sk-some", "/v1/moderations", {"json": {"input": "x"}}, 403),
        ("sk-some", "/v1/audio/transcriptions", {"form": "m"}, 200),
        ("sk-some", "/v1/audio/transcriptions", {"form": "n"}, 403),
        ("sk-some", "/v1/images/edits", {"form": None}, 403),
    ],
)
async def test_who_may_ask(key, path, options, status):
    options = dict(options)
    if "form" in options:
        options["data"] = form(options.pop("form"))
    async with endpoint(OK) as up, passing(up, stages=[KEYS]) as home:
        got, _, raw = await ask(home, path, headers=bearer(key) if key else {}, **options)
        exchange = await home.settled()
    assert got == status
    assert len(up.came) == (status == 200)
    if status == 403:
        assert error_of(raw)["code"] == "model_not_allowed"
    assert exchange.outcome == ("completed" if status == 200 else "rejected")
    assert all("sk-" not in str(one.headers) or "sk-operator" in str(one.headers) for one in up.came)


async def test_limits_hold():
    limit = RateLimit(RateLimitConfig(per="ip", requests_per_minute=1, name="passed on"))
    async with endpoint(OK) as up, passing(up, stages=[limit]) as home:
        first = await ask(home, "/v1/files", method="GET")
        second = await ask(home)
    assert (first[0], first[1]["x-ratelimit-remaining-requests"]) == (200, "0")
    assert (second[0], int(second[1]["retry-after"]) > 0) == (429, True)
    assert len(up.came) == 1


async def test_transform_changes_json_and_headers():
    config = TransformConfig(
        set={"user": "team-1"}, drop=("x",), headers=HeaderEdits(set={"x-team": "a"}, drop=("accept",))
    )
    async with endpoint(OK) as up, passing(up, below=[Transform(config)]) as home:
        assert (await ask(home, json={"model": "m", "input": "hi", "x": 1}))[0] == 200
    (came,) = up.came
    assert json.loads(came.body) == {"model": "up-model", "input": "hi", "user": "team-1"}
    assert came.headers["x-team"] == "a"


async def test_a_guardrail_sees_what_models_will_read():
    rule = GuardrailRule(name="names", words=("bluebird",), scan=("input",), action="mask")
    block = GuardrailRule(name="red", words=("red fox",), scan=("input",))
    guard = Guardrail(GuardrailConfig(rules=(rule, block)))
    async with endpoint(OK) as up, passing(up, stages=[guard]) as home:
        assert (await ask(home, json={"model": "m", "input": ["a bluebird", "b"]}))[0] == 200
        status, _, raw = await ask(home, "/v1/images/generations", json={"model": "m", "prompt": "a red fox"})
    assert json.loads(up.came[0].body)["input"] == ["a [names]", "b"]
    assert (status, error_of(raw)["code"]) == (400, "content_filter")


async def test_a_guardrail_sees_the_texts_of_forms():
    rule = GuardrailRule(name="names", words=("bluebird",), scan=("input",), action="mask")
    block = GuardrailRule(name="red", words=("red fox",), scan=("input",))
    guard = Guardrail(GuardrailConfig(rules=(rule, block)))

    def form(size, prompt, *, late=False):
        made, image = aiohttp.FormData(), aiohttp.payload.BytesPayload(bytes(size))
        made.add_field("model", "m")
        fields = [("prompt", prompt, None), ("image", image, "a.png")]
        for name, value, filename in fields[::-1] if late else fields:
            made.add_field(name, value, filename=filename)
        return made

    async with endpoint(OK) as up, passing(up, stages=[guard], retries=0) as home:
        for size in (10, 2_000_000):
            assert (await ask(home, "/images/edits", data=form(size, "a bluebird")))[0] == 200
            status, _, raw = await ask(home, "/images/edits", data=form(size, "a red fox"))
            assert (status, error_of(raw)["code"]) == (400, "content_filter")
            assert b"a [names]\r\n" in up.came[-1].body
        status, _, raw = await ask(home, "/images/edits", data=form(2_000_000, "a lake", late=True))
        assert (status, error_of(raw)["param"]) == (400, "prompt")
    assert len(up.came) == 2
    async with endpoint(OK) as up, passing(up) as home:
        assert (await ask(home, "/images/edits", data=form(2_000_000, "a lake", late=True)))[0] == 200


async def test_answers_that_are_texts_are_searched_and_asked_about():
    rules = (
        GuardrailRule(name="names", words=("bluebird",)),
        GuardrailRule(name="in", words=("x",), scan=("input",)),
        GuardrailRule(name="hook", match="http", url="http://127.0.0.1:9/", scan=("output",)),
        GuardrailRule(name="sees", match="http", url="http://127.0.0.1:9/", scan=("output",), action="flag"),
    )
    guard = Guardrail(GuardrailConfig(rules=rules))
    answer = answers({"choices": [{"text": "a bluebird", "index": 0}]})
    waits, sees = Oracle(without("evil")), Oracle(without("a "), waits=True)
    async with endpoint(answer) as up, passing(up, stages=[guard]) as home:
        for count, path in enumerate(("/completions", "/embeddings"), 1):
            guard._askings[0]._check, guard._askings[1]._check = waits, sees
            async with asyncio.timeout(30):
                _, _, raw = await ask(home, path)  # which does not wait for who only sees
            sees.go()
            marks = (await home.settled(count)).marks.get("guardrail", [])
            did = [(mark["rule"], mark["action"]) for mark in marks]
            assert (b"bluebird" in raw) == (count == 2)
            assert did == ([("names", "blocked"), ("sees", "flagged")] if count == 1 else [])
            assert [one.texts for one in (*waits.asked, *sees.asked)] == [("a ",)] * 2


async def test_what_an_upstream_says_of_its_failure_is_searched():
    guard = Guardrail(GuardrailConfig(rules=(GuardrailRule(name="names", words=("bluebird",), action="mask"),)))
    failure = answers({"error": {"message": "no bluebird here", "type": "t", "more": "bluebird"}}, status=400)
    async with endpoint(failure) as up, passing(up, stages=[guard], retries=0) as home:
        status, _, raw = await ask(home, "/embeddings")
        exchange = await home.settled()
    assert (status, b"bluebird" in raw, b"[names]" in raw) == (400, False, True)
    assert [mark["action"] for mark in exchange.marks["guardrail"]] == ["masked"]


async def test_the_log_has_a_line_like_any_other():
    usage = {"usage": {"prompt_tokens": 5, "total_tokens": 5}}
    async with endpoint(answers(usage)) as up, passing(up) as home:
        await ask(home, headers={"user-agent": "test"})
        line = msgspec.json.decode(Rows().row(await home.settled(), ()))
    assert (line["dialect"], line["path"], line["model"], line["stream"]) == ("raw", "/embeddings", "m", False)
    assert (line["upstream"], line["upstream_model"], line["outcome"]) == ("up0", "up-model", "completed")
    assert line["usage"]["input"] == 5
    [attempt] = line["attempts"]
    assert attempt == {"upstream": "up0", "model": "up-model", "status": 200, "error": None, "usage": line["usage"],
                       "cost": line["cost"]}  # fmt: skip


# --- bodies that cannot be read


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"data": b"{", "headers": {"content-type": "application/json"}}, 400, "invalid_json"),
        ({"data": b"[]", "headers": {"content-type": "application/json"}}, 400, "invalid_json"),
        ({"data": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "invalid_body"),
        ({"data": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400, "invalid_body"),
        ({"data": b"x", "headers": {"content-type": "multipart/form-data; boundary=b", "content-encoding": "gzip"}},
         415, "unsupported_content_encoding"),
        ({"json": {"model": 5}}, 400, "invalid_type"),
        ({"data": b"{}", "headers": {"content-type": "text/plain"}}, 415, "unsupported_content_type"),
    ],
)  # fmt: skip
async def test_bodies_that_cannot_be_read(options, status, code):
    async with endpoint(OK) as up, passing(up) as home:
        got, _, raw = await ask(home, "/v1/audio/transcriptions", **options)
        exchange = await home.settled()
    assert (got, error_of(raw)["code"]) == (status, code)
    assert (exchange.outcome, home.watcher.began, len(up.came)) == ("rejected", 1, 0)


async def test_json_may_be_compressed():
    data = gzip.compress(json.dumps({"model": "m", "input": "hi"}).encode())
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    async with endpoint(OK) as up, passing(up) as home:
        assert (await ask(home, data=data, headers=headers))[0] == 200
    assert json.loads(up.came[0].body) == {"model": "up-model", "input": "hi"}
    assert "content-encoding" not in up.came[0].headers


# --- the end of the server


async def test_when_the_server_is_cut_off_a_body_that_still_comes_is_refused():
    async with endpoint(OK) as up, passing(up) as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        head = b"POST /v1/images/edits HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n"
        writer.write(head + b"content-length: 100\r\n\r\n--b\r\n")
        async with asyncio.timeout(5):
            while not len(home.app._passthrough._uploads):
                await asyncio.sleep(0.001)
        home.app.cut_off()
        status = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        exchange = await home.settled()
        assert (await ask(home))[0] == 503
    assert status.startswith(b"HTTP/1.1 503")
    assert isinstance(exchange.error, Overloaded)


async def test_when_the_server_is_cut_off_an_upload_on_its_way_is_refused():
    async with endpoint(OK) as up, passing(up) as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        writer.write(b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-type: a/b\r\ncontent-length: 100\r\n\r\nabc")
        await asyncio.wait_for(up.begun.wait(), 5)
        home.app.cut_off()
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 503")
        await asyncio.wait_for(up.broken.wait(), 5)
        writer.close()
        assert (await home.settled()).outcome == "failed"


async def test_no_more_run_at_a_time_than_may():
    async with endpoint(OK) as up, passing(up, max_requests=1) as home:
        up.reads.clear()
        first = asyncio.create_task(ask(home, "/v1/files", data=b"abc"))
        await asyncio.wait_for(up.begun.wait(), 5)
        assert (await ask(home))[0] == 503
        up.reads.set()
        assert (await first)[0] == 200
