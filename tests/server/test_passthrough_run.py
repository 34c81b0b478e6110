"""What is passed on, over real sockets: retries, errors, cuts, clients that leave, slow ones, odd stages."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest

from proxy.config.types import Secret
from proxy.errors import RateLimited
from proxy.pipeline import Settings
from proxy.providers.openai_compatible.config import OpenAICompatibleConfig
from proxy.providers.openai_compatible.provider import OpenAICompatible
from proxy.providers.provider import Deployment
from proxy.reply import Reply
from proxy.server.passthrough_run import is_kept_upstream, passed_down, runs_models
from proxy.stage import ResponseFilter, Stage
from stages.route import Route, RouteConfig
from tests.support.hostile import HostileUpstream, answering, chunked, closing, fixed, until
from tests.support.house import house

JSON = "content-type: application/json\r\n"
OK = fixed(b'{"ok":true}', headers=JSON)
BUSY = fixed(b'{"error":{"message":"busy"}}', status=503, headers=JSON + "retry-after-ms: 1\r\n")


@asynccontextmanager
async def before(*upstreams, retries=2, **options):
    """Runs a server whose model `m` is served by hostile upstreams in turn."""
    providers = []
    for number, one in enumerate(upstreams):
        url = f"{one.origin}/v1" if isinstance(one, HostileUpstream) else one
        config = OpenAICompatibleConfig(base_url=url, api_key=Secret("sk-operator", "env:KEY"))
        providers.append(OpenAICompatible(f"up{number}", config))
    models = {"m": [Deployment(one, "up-model", 1000.0**-at) for at, one in enumerate(providers)]}
    async with house(*providers, models=models, route=Route(RouteConfig(retries=retries)), **options) as home:
        yield home


async def ask(home, path="/embeddings", **options):
    if not {"data", "json"} & options.keys():
        options["json"] = {"model": "m", "input": "hi"}
    async with home.session.post(home.url + path, **options) as got:
        return got.status, {name.lower(): value for name, value in got.headers.items()}, await got.read()


def form(size=10, model="m", *, first=True):
    """Returns a form with a file, the model in front of it or behind."""
    named = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n%b\r\n' % model.encode()
    file = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n%b\r\n' % bytes(size)
    parts = (named, file)
    return b"".join(parts if first else parts[::-1]) + b"--b--\r\n"


FORM = {"content-type": "multipart/form-data; boundary=b"}


# --- retries


@pytest.mark.parametrize(
    "options",
    [{}, {"data": form(), "headers": FORM}, {"data": form(900_000, first=False), "headers": FORM}],
)
async def test_what_is_there_whole_is_sent_again_elsewhere(options):
    async with HostileUpstream(answering(BUSY)) as first, HostileUpstream(answering(OK)) as second:
        async with before(first, second) as home:
            status, headers, raw = await ask(home, **options)
            exchange = await home.settled()
    assert (status, raw, headers["x-penstock-upstream"], headers["x-penstock-attempts"]) == (
        200, b'{"ok":true}', "up1", "2")  # fmt: skip
    assert [(one.upstream, one.status, one.error) for one in exchange.attempts] == [
        ("up0", 503, "overloaded"), ("up1", 200, None)]  # fmt: skip
    assert (exchange.outcome, exchange.error) == ("completed", None)


async def test_what_was_streamed_is_not_sent_again():
    async with HostileUpstream(answering(BUSY)) as first, HostileUpstream(answering(OK)) as second:
        async with before(first, second) as home:
            status, headers, raw = await ask(home, data=form(2_000_000), headers=FORM)
    assert (status, raw, headers["retry-after-ms"]) == (503, b'{"error":{"message":"busy"}}', "1")
    assert not second.peers


async def test_before_anything_was_streamed_another_may_be_asked():
    async with HostileUpstream(answering(OK)) as second, before("http://127.0.0.1:9/v1", second) as home:
        status, headers, _ = await ask(home, data=form(2_000_000), headers=FORM)
    assert (status, headers["x-penstock-upstream"]) == (200, "up1")


async def test_the_same_may_be_asked_again():
    async with HostileUpstream(answering(BUSY, OK)) as only, before(only) as home:
        assert (await ask(home))[0] == 200


class Gated(Stage):
    """Lets nobody ask some upstreams."""

    name = "gated"

    def __init__(self, *closed: str) -> None:
        super().__init__()
        self.closed = closed

    async def on_request(self, exchange):
        exchange.gates = (self.gate,)

    async def gate(self, exchange, deployments):
        if deployments[0].provider.name in self.closed:
            raise RateLimited("Not this one.")


@pytest.mark.parametrize(("closed", "status", "upstreams"), [(["up0"], 200, ["up1"]), (["up0", "up1"], 429, [])])
async def test_an_attempt_that_may_not_be_made_leads_to_the_next(closed, status, upstreams):
    async with HostileUpstream(answering(OK)) as first, HostileUpstream(answering(OK)) as second:
        async with before(first, second, stages=[Gated(*closed)], settings=Settings(default_upstream="up0")) as home:
            got = await ask(home)
            exchange = await home.settled()
            async with home.session.get(home.url + "/files") as kept:
                assert kept.status == 200, "no model is asked"
    assert got[0] == status
    assert [one.upstream for one in exchange.attempts] == upstreams


async def test_what_names_no_model_is_asked_once():
    async with HostileUpstream(answering(BUSY, OK)) as only, before(only) as home:
        async with home.session.get(home.url + "/files") as got:
            assert got.status == 503


# --- errors


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        (fixed(b"<h1>no</h1>", status=404, headers="content-type: text/html\r\n"), 404, b"<h1>no</h1>"),
        (fixed(b'{"error":"x"}', status=418, headers=JSON), 418, b'{"error":"x"}'),
        (fixed(b'{"error":{"message":"y"}}', status=429, headers=JSON), 429, b'{"error":{"message":"y"}}'),
    ],
)
async def test_errors_are_told_as_they_came(answer, status, told):
    async with HostileUpstream(answering(answer)) as up, before(up, retries=0) as home:
        got, headers, raw = await ask(home)
        exchange = await home.settled()
    assert (got, raw, headers["x-penstock-upstream"]) == (status, told, "up0")
    assert (exchange.outcome, exchange.head_status, exchange.error.upstream_status) == ("failed", status, status)


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (fixed(b'{"error":{"message":"Incorrect API key provided: sk-oper***"}}', status=401, headers=JSON), 502,
         "upstream_auth"),
        (fixed(b"", status=302, headers="location: http://elsewhere/\r\n"), 502, "upstream_error"),
        (fixed(b"", status=500), 502, "upstream_error"),
        (b"HTTP/1.1 500 No\r\ncontent-length: 400000\r\n\r\n" + bytes(400_000), 502, "upstream_error"),
        (b"no HTTP at all\r\n\r\n", 502, "server_error"),
    ],
)  # fmt: skip
async def test_errors_that_are_not_for_clients(answer, status, code):
    async with HostileUpstream(answering(answer)) as up, before(up, retries=0) as home:
        got, headers, raw = await ask(home)
        exchange = await home.settled()
    assert (got, json.loads(raw)["error"]["code"]) == (status, code)
    assert "sk-" not in raw.decode()
    assert "location" not in headers
    assert (exchange.outcome, len(home.watcher.ended)) == ("failed", 1)


async def test_of_headers_only_those_pass_that_are_about_the_answer():
    more = "set-cookie: a=b\r\ncontent-disposition: attachment\r\nserver: nginx\r\nx-request-id: theirs\r\n"
    async with HostileUpstream(answering(fixed(b"x", headers=more + "x-ratelimit-reset: 1s\r\n"))) as up:
        async with before(up) as home:
            _, headers, _ = await ask(home, headers={"cookie": "c=d", "openai-beta": "x", "x-other": "1"})
        sent = up.peers[0].received
    assert (headers["content-disposition"], headers["x-ratelimit-reset"]) == ("attachment", "1s")
    assert (headers["server"], headers["content-length"]) == ("penstock", "1")
    assert headers["x-request-id"].startswith("req_")
    assert "set-cookie" not in headers
    assert not sent  # the script took it
    assert passed_down({"etag": "e", "via": "v"}) == {"etag": "e"}


# --- cuts


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
async def test_an_answer_that_is_cut_is_not_taken_for_whole(answer):
    async with HostileUpstream(closing(answer)) as up, before(up) as home:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(home)
        exchange = await home.settled()
        assert (await ask_again(home)).outcome == "failed"
    assert (exchange.outcome, exchange.error.code, exchange.head_status) == ("failed", "server_error", 200)
    assert len(exchange.attempts) == 1


async def ask_again(home):
    with pytest.raises(aiohttp.ClientPayloadError):
        await ask(home)
    return await home.settled(2)


async def test_a_client_that_leaves_a_download_leaves_nothing_behind():
    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await peer.stall()

    async with HostileUpstream(script) as up, before(up) as home:
        async with home.session.get(home.url + "/files/f/content") as got:
            assert await got.content.readany() == b"abc"
            got.close()
        assert await (await up.peer()).was_closed()
        exchange = await home.settled()
    assert (exchange.outcome, len(home.watcher.ended)) == ("cancelled", 1)


@pytest.mark.parametrize("cut", [False, True], ids=["client", "upstream"])
async def test_9_1_a_stream_that_ends_before_it_has_told_what_it_used_is_paid_by_estimate(cut):
    async def script(peer):
        await peer.request()
        event = b'data: {"choices":[{"text":"word"}],"usage":null}\n\n'
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        await peer.send(head + b"%x\r\n%b\r\n" % (3 * len(event), 3 * event))
        if cut:
            peer.close()
        else:
            await peer.stall()

    async with HostileUpstream(script) as up, before(up) as home:
        asked = {"model": "m", "prompt": "y" * 4000, "stream": True}
        async with home.session.post(home.url + "/completions", json=asked) as got:
            if cut:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await got.read()
            else:
                assert (await got.content.readany()).startswith(b"data:")
                got.close()
        exchange = await home.settled()
    assert exchange.outcome == ("failed" if cut else "cancelled")
    assert exchange.usage.estimated
    assert (exchange.usage.input_tokens >= 900, exchange.usage.output_tokens) == (True, 3)
    assert exchange.attempts[0].usage is exchange.usage


@pytest.mark.parametrize("path", ["/files", "/images/edits"])
async def test_a_client_that_leaves_an_upload_leaves_nothing_behind(path):
    async def script(peer):
        await peer.head()
        peer.reached.set()
        await peer.stall()

    async with HostileUpstream(script) as up, before(up) as home:
        _, writer = await asyncio.open_connection("127.0.0.1", home.port)
        body = form(2_000_000)
        head = (
            f"POST /v1{path} HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM['content-type']}\r\ncontent-length: {len(body)}"
        )
        writer.write(head.encode() + b"\r\n\r\n" + body[:100_000])
        peer = await up.peer()
        await asyncio.wait_for(peer.reached.wait(), 5)
        writer.transport.abort()
        assert await peer.was_closed()
        exchange = await home.settled()
    assert (exchange.outcome, home.watcher.began, len(home.watcher.ended)) == ("cancelled", 1, 1)


async def test_a_client_that_leaves_before_its_model_is_known_is_seen_once():
    async with HostileUpstream(answering(OK)) as up, before(up) as home:
        _, writer = await asyncio.open_connection("127.0.0.1", home.port)
        writer.write(b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        await until(lambda: len(home.app._passthrough._uploads) > 0)
        writer.transport.abort()
        exchange = await home.settled()
        assert not up.peers
    assert (exchange.outcome, home.watcher.began) == ("cancelled", 1)


async def test_a_client_that_stops_sending_is_not_waited_for():
    async def script(peer):
        await peer.head()
        await peer.stall()

    async with HostileUpstream(script) as up, before(up, body_idle_s=0.05) as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        writer.write(b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-type: a/b\r\ncontent-length: 100\r\n\r\nabc")
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 408")
        assert await (await up.peer()).was_closed()
        writer.close()
        exchange = await home.settled()
    assert (exchange.outcome, exchange.error.code) == ("rejected", "timeout")


async def test_a_slow_client_slows_the_upstream():
    piece = bytes(65536)

    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        await peer.send_forever(b"10000\r\n" + piece + b"\r\n")

    async with HostileUpstream(script) as up, before(up) as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port, limit=1024)
        writer.write(b"GET /v1/files/f/content HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readline()
        peer = await up.peer()
        await until(lambda: peer.blocked)
        before_that, now = -1, peer.sent
        while now != before_that:
            await asyncio.sleep(0.05)
            before_that, now = now, peer.sent
        assert now < 32_000_000
        writer.transport.abort()
        assert await peer.was_closed()


# --- framing


async def test_a_client_of_http_1_0_gets_no_chunks():
    async with HostileUpstream(answering(chunked(b"abc", b"def"))) as up, before(up) as home:
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        writer.write(b"GET /v1/files/f/content HTTP/1.0\r\nhost: x\r\n\r\n")
        raw = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    head, _, sent = raw.partition(b"\r\n\r\n")
    assert sent == b"abcdef"
    assert b"chunked" not in head
    assert b"connection: close" in head


@pytest.mark.parametrize("status", [200, 201, 204, 206])
async def test_answers_without_a_body_and_the_next_on_the_same_connection(status):
    answer = fixed(b"", status=status) if status != 204 else b"HTTP/1.1 204 No Content\r\n\r\n"
    async with HostileUpstream(answering(answer, OK)) as up, before(up) as home:
        async with home.session.delete(home.url + "/files/f") as got:
            assert (got.status, await got.read()) == (status, b"")
            assert "transfer-encoding" not in got.headers
        assert (await ask(home))[0] == 200
        assert len(up.peers) == 1


async def test_an_unusual_status_passes():
    async with HostileUpstream(answering(fixed(b"x", status=299))) as up, before(up) as home:
        assert (await ask(home))[0] == 299


# --- stages


class Odd(Stage):
    """A stage that answers, raises or breaks."""

    name = "odd"

    def __init__(self, result):
        super().__init__()
        self.result = result

    async def on_request(self, exchange):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class Ends(ResponseFilter):
    """Counts how often it sees an end, and fails then."""

    def __init__(self):
        self.ends = 0

    async def on_head(self, exchange, head):
        head.headers["x-seen"] = "yes"

    async def on_end(self, exchange):
        self.ends += 1
        raise ValueError("a bug in the end")


@pytest.mark.parametrize(("place", "outcome"), [("stages", "rejected"), ("below", "failed")])
@pytest.mark.parametrize(("error", "status"), [(RateLimited("no"), 429), (KeyError("bug"), 500)])
async def test_stages_that_break(place, outcome, error, status):
    ends = Ends()
    async with HostileUpstream(answering(OK)) as up:
        async with before(up, retries=0, **{place: [Odd(ends), Odd(error)]}) as home:
            got, headers, _ = await ask(home)
            exchange = await home.settled()
        assert not up.peers
    assert (got, ends.ends, exchange.outcome) == (status, 1, outcome)
    assert "x-seen" not in headers


class Bugged(ResponseFilter):
    """Breaks on a failure that it might have changed."""

    async def on_error(self, exchange, error):
        raise ValueError("a bug in the failure")


async def test_a_filter_that_breaks_on_a_failure_lets_nobody_know_of_it():
    refused = fixed(b'{"error":{"message":"secret"}}', status=400, headers=JSON)
    async with HostileUpstream(answering(refused)) as up, before(up, stages=[Odd(Bugged())]) as home:
        status, _, raw = await ask(home)
        exchange = await home.settled()
    assert (status, exchange.outcome, exchange.error.code) == (500, "failed", "server_error")
    assert b"Penstock failed" in raw
    assert b"secret" not in raw


@pytest.mark.parametrize("place", ["stages", "below"])
@pytest.mark.parametrize(
    ("reply", "status", "outcome"),
    [(Reply.json({"cached": 1}), 200, "completed"), (Reply.rate_limited("no", 5), 429, "rejected")],
)
async def test_stages_that_answer(place, reply, status, outcome):
    ends = Ends()
    async with HostileUpstream(answering(OK)) as up:
        async with before(up, **{place: [Odd(ends), Odd(reply)]}) as home:
            got, headers, raw = await ask(home)
            exchange = await home.settled()
        assert not up.peers
    assert (got, raw, ends.ends, exchange.outcome) == (status, reply.body, 1, outcome)
    assert headers["x-seen"] == "yes"


def test_paths_of_what_one_upstream_keeps():
    kept = (
        "/files",
        "/files/f/content",
        "/uploads/u/parts",
        "/vector_stores/v/search",
        "/batches",
        "/fine_tuning/jobs",
    )
    assert [is_kept_upstream(path) for path in (*kept, "/images/files", "/embeddings")] == [True] * 6 + [False] * 2
    assert [runs_models(path) for path in kept] == [False] * 4 + [True] * 2
