"""What can be wrong between Penstock and an upstream: one clear error each, at the trial and at a request.

Every kind of upstream is asked by both ways behind the same fault. Neither tells a secret.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

from proxy.config.file import Config
from proxy.config.loader import load_text
from proxy.config.types import Sources
from proxy.errors import Problem
from proxy.providers.provider import Deployment
from proxy.reach import Reached, reach
from proxy.upstream import connect as connecting
from stages.route import Route, RouteConfig
from tests.support.google_accounts import TokenServer, service_account
from tests.support.hostile import HostileUpstream, Peer, Script, answering, closing, fixed
from tests.support.house import house

KEY = "sk-planted-1234567890"
JSON = "content-type: application/json\r\n"
LIMIT_S = 20.0


class Kind(NamedTuple):
    """A kind of upstream: its settings (`{}` is where it is), a model, the path that is asked, what it answers."""

    settings: str
    model: str
    path: str
    answer: Any
    refusal: tuple[int, Any, str] = (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, "")
    advice: str = "check its api_key (env:KEY)"


NO_KEY: Any = {"type": "error", "error": {"type": "authentication_error", "message": f"invalid x-api-key {KEY}"}}
BAD_KEY: Any = {"error": {"code": 400, "message": f"API key not valid: {KEY}", "status": "INVALID_ARGUMENT"}}
NO_RIGHT: Any = {"error": {"code": 403, "message": "Permission denied on p", "status": "PERMISSION_DENIED"}}
WHO: Any = {"message": "The security token included in the request is invalid."}
NOBODY = "x-amzn-errortype: UnrecognizedClientException\r\n"
VERTEX = "kind: vertex, project: p, location: us-east1, credentials: env:ACCOUNT, base_url: '{}'"
TO_MEND = "check its credentials (env:ACCOUNT), and what they may do in the project"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

KINDS = {
    "openai": Kind(
        "kind: openai, api_key: env:KEY, base_url: '{}'", "gpt-5", "/v1/responses/input_tokens",
        {"object": "response.input_tokens", "input_tokens": 5},
    ),
    "openai-compatible": Kind(
        "kind: openai-compatible, api_key: env:KEY, base_url: '{}'", "x", "/v1/models", {"data": [{"id": "x"}]}
    ),
    "azure-openai": Kind(
        "kind: azure-openai, api_key: env:KEY, base_url: '{}'", "mine", "/openai/v1/models", {"data": []},
        (401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key"}}, ""),
    ),
    "azure-ai": Kind("kind: azure-ai, api_key: env:KEY, base_url: '{}'", "grok-4", "/models/info", {}),
    "anthropic": Kind(
        "kind: anthropic, api_key: env:KEY, base_url: '{}'", "claude-opus-5", "/v1/messages/count_tokens",
        {"input_tokens": 5}, (401, NO_KEY, ""),
    ),
    "gemini": Kind(
        "kind: gemini, api_key: env:KEY, base_url: '{}'", "gemini-2.5-flash",
        "/v1beta/models/gemini-2.5-flash:countTokens", {"totalTokens": 5}, (400, BAD_KEY, ""),
    ),
    "vertex": Kind(
        VERTEX, "gemini-2.5-flash",
        "/v1/projects/p/locations/us-east1/publishers/google/models/gemini-2.5-flash:countTokens",
        {"totalTokens": 5}, (403, NO_RIGHT, ""), TO_MEND,
    ),
    "vertex, Claude": Kind(
        VERTEX, "claude-opus-5",
        "/v1/projects/p/locations/us-east1/publishers/anthropic/models/count-tokens:rawPredict",
        {"input_tokens": 5}, (403, NO_RIGHT, ""), TO_MEND,
    ),
    "bedrock": Kind(
        "kind: bedrock, region: us-east-1, access_key_id: env:ID, secret_access_key: env:KEY, base_url: '{}'", SONNET,
        f"/model/{SONNET.replace(':', '%3A')}/count-tokens", {"inputTokens": 5}, (403, WHO, NOBODY),
        "check its access_key_id (env:ID)",
    ),
    "bedrock, bearer": Kind(
        "kind: bedrock, region: us-east-1, api_key: env:KEY, base_url: '{}'", "us.amazon.nova-2-lite-v1:0",
        "/model/us.amazon.nova-2-lite-v1%3A0/count-tokens", {"inputTokens": 5},
        (403, {"Message": "Authentication failed"}, "x-amzn-errortype: AccessDeniedException\r\n"),
        "its account may not use this model; check its API key (env:KEY)",
    ),
}  # fmt: skip
EVERY = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hides this machine's settings of clouds."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "GCLOUD_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def loaded(settings: str, model: str = "m1", account: str = "{}") -> Config:
    """Returns the configuration of a file with one upstream, on line 2, and a model of it."""
    text = f"upstreams:\n  up: {{{settings}}}\nmodels: {{m: up/{model}}}\npipeline: [route, stream-translate]\n"
    return load_text(text, "p.yaml", sources=Sources({"KEY": KEY, "ID": "AKIAPLANTED123456789", "ACCOUNT": account}))


class Told(NamedTuple):
    """What the trial said, and what a client of the same upstream was answered: its status and error object."""

    trial: Reached
    status: int
    error: dict[str, Any]

    @property
    def problem(self) -> Problem:
        """The problem that the trial found."""
        assert self.trial.problem is not None, "no problem was found"
        return self.trial.problem


async def tell(config: Config) -> Told:
    """Tries the upstream, and asks a model of it."""
    (trial,) = await reach(config, LIMIT_S)
    entry = config.upstreams["up"]
    provider = entry.provider("up", entry.config)
    models = {"m": [Deployment(provider, config.models["m"][0].model)]}
    async with house(provider, models=models, route=Route(RouteConfig(retries=0))) as home:
        status, headers, data = await home.ask()
    assert headers["x-penstock-upstream"] == "up"
    for said in (data.decode(), str(headers), str(trial.problem)):
        assert "planted" not in said.lower()
        assert "token-1" not in said
    return Told(trial, status, json.loads(data)["error"])


async def at(kind: Kind, script: Script, settings: str = "", **upstream: Any) -> Told:
    """Tells how an upstream of that kind is reached whose server does that."""
    tokens = TokenServer()
    async with HostileUpstream(script, **upstream) as server, tokens.upstream:
        account = service_account(tokens.upstream.port)
        place = kind.settings.format(server.origin) + settings
        return await tell(loaded(place, kind.model, account))


@EVERY
async def test_an_upstream_that_is_right(kind: Kind) -> None:
    tokens = TokenServer()
    async with HostileUpstream(answering(fixed(json.dumps(kind.answer).encode(), headers=JSON))) as server:
        asked: list[bytes] = []

        async def script(peer: Peer) -> None:
            asked.append(await peer.request())
            await peer.send(fixed(json.dumps(kind.answer).encode(), headers=JSON))

        server.script = script
        async with tokens.upstream:
            account = service_account(tokens.upstream.port)
            (trial,) = await reach(loaded(kind.settings.format(server.origin), kind.model, account), LIMIT_S)
    assert (trial.problem, trial.ok, trial.upstream) == (None, True, "up")
    assert 0 < trial.seconds < LIMIT_S
    assert len(asked) == 1
    assert asked[0].split(b" ")[1].partition(b"?")[0].decode() == kind.path


@EVERY
async def test_wrong_credentials(kind: Kind) -> None:
    status, body, headers = kind.refusal
    told = await at(kind, answering(*[fixed(json.dumps(body).encode(), status=status, headers=JSON + headers)] * 2))
    assert str(told.problem) == f"p.yaml:2:3: upstreams.up: answered {status}: {kind.advice}"
    assert (told.status, told.error["code"]) == (502, "upstream_auth")
    assert told.error["message"] == f'upstream "up" answered {status}: {kind.advice}'


@EVERY
async def test_a_host_where_nobody_listens(kind: Kind) -> None:
    with socket.socket() as taken:  # bound, and not listened at
        taken.bind(("127.0.0.1", 0))
        peer = f"127.0.0.1:{taken.getsockname()[1]}"
        tokens = TokenServer()
        async with tokens.upstream:
            account = service_account(tokens.upstream.port)
            told = await tell(loaded(kind.settings.format(f"http://{peer}"), kind.model, account))
    what = "cannot be reached: connection refused"  # without the address, which no client need know
    assert str(told.problem) == f"p.yaml:2:3: upstreams.up: {what}   (check base_url, and that the server runs)"
    assert (told.status, told.error["code"]) == (502, "upstream_unreachable")
    assert told.error["message"] == f'upstream "up" {what}'


@EVERY
async def test_an_upstream_that_says_nothing(kind: Kind) -> None:
    told = await at(kind, Peer.stall, ", timeouts: {first_byte: 0.1s}")
    assert "0.1 s" in told.problem.what
    assert told.problem.fix == "check base_url, and what stands between: firewalls, a proxy"
    assert (told.status, told.error["code"]) == (504, "timeout")


async def test_no_trial_takes_longer_than_it_may() -> None:
    async with HostileUpstream(Peer.stall) as server:
        (trial,) = await reach(loaded(KINDS["openai-compatible"].settings.format(server.origin)), 0.1)
    assert trial.problem is not None
    assert trial.problem.what == "upstreams.up: did not answer within 0.1 s"


async def test_tls_that_cannot_be() -> None:
    async def plain(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        peer.close()

    kind = KINDS["anthropic"]
    async with HostileUpstream(plain) as server:
        told = await tell(loaded(kind.settings.format(server.origin.replace("http:", "https:")), kind.model))
    assert "TLS failed: wrong version number; is it a plain http:// server?" in told.problem.what
    assert told.problem.fix == "check base_url"
    assert (told.status, told.error["code"]) == (502, "upstream_unreachable")
    assert "plain http://" in told.error["message"]


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    told = await at(KINDS["gemini"], answering(), tls=context)
    assert "certificate verify failed" in told.problem.what
    assert told.problem.fix == "check base_url, or say by tls which authority to trust"
    assert (told.status, told.error["code"]) == (502, "upstream_unreachable")


@pytest.mark.parametrize(
    ("settings", "model", "host", "fix"),
    [
        (
            "kind: bedrock, region: us-moon-1, api_key: env:KEY", SONNET,
            "bedrock-runtime.us-moon-1.amazonaws.com:443", "check region",
        ),
        (
            "kind: vertex, project: p, location: moon-west4, credentials: env:ACCOUNT", "gemini-2.5-flash",
            "moon-west4-aiplatform.googleapis.com:443", "check location",
        ),
        (
            "kind: azure-openai, base_url: 'https://mien.openai.azure.com', api_key: env:KEY", "x",
            "mien.openai.azure.com:443", "check base_url",
        ),
    ],
)  # fmt: skip
async def test_a_place_that_there_is_not(
    monkeypatch: pytest.MonkeyPatch, settings: str, model: str, host: str, fix: str
) -> None:
    asked: list[str] = []

    async def unknown(loop: Any, origin: Any) -> Any:
        if origin.peer not in asked:
            asked.append(origin.peer)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    tokens = TokenServer()
    async with tokens.upstream:
        account = service_account(tokens.upstream.port)
        monkeypatch.setattr(connecting, "_resolve", unknown)
        told = await tell(loaded(settings, model, account))
    what = "cannot be reached: name not known"
    assert str(told.problem) == f"p.yaml:2:3: upstreams.up: {what}   ({fix})"
    assert (told.status, told.error["code"]) == (502, "upstream_unreachable")
    assert (told.error["message"], asked) == (f'upstream "up" {what}', [host])


async def test_a_project_that_nobody_knows() -> None:
    tokens = TokenServer()
    async with tokens.upstream, HostileUpstream(answering()) as server:
        account = service_account(tokens.upstream.port, project=None)
        settings = f"kind: vertex, credentials: env:ACCOUNT, base_url: '{server.origin}'"
        told = await tell(loaded(settings, "gemini-2.5-flash", account))
        assert not server.peers
    assert told.problem.what == "upstreams.up: the credentials know no project: set project"
    assert (told.status, told.error["code"]) == (502, "upstream_auth")
    assert "set project" in told.error["message"]


async def test_credentials_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tokens = TokenServer(refuses=True)
    async with tokens.upstream:
        told = await tell(
            loaded(VERTEX.format("http://127.0.0.1:9"), "gemini-2.5-flash", service_account(tokens.upstream.port))
        )
    assert told.problem.what.startswith("upstreams.up: no credentials of Google Cloud: ")
    assert (told.status, told.error["code"]) == (502, "upstream_auth")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    told = await tell(loaded("kind: bedrock, region: us-east-1, base_url: 'http://127.0.0.1:9'", SONNET))
    assert told.problem.what == "upstreams.up: has no credentials of AWS that it could use; the log says why"
    assert (told.status, told.error["code"]) == (502, "upstream_auth")


async def test_a_server_without_a_list_of_models_may_be_right() -> None:
    kind = KINDS["openai-compatible"]
    async with HostileUpstream(closing(fixed(b"not found", status=404))) as server:
        (trial,) = await reach(loaded(kind.settings.format(server.origin), kind.model), LIMIT_S)
    assert trial.ok
    assert str(trial.problem) == (
        "p.yaml:2:3: warning: upstreams.up: answered 404: check its base_url   "
        "(nothing is wrong if it has no list of models)"
    )


async def test_bedrock_says_who_may_ask_before_it_says_that_it_cannot_count() -> None:
    said = fixed(b'{"message":"The provided model doesn\'t support counting tokens."}', status=400,
                 headers=f"{JSON}x-amzn-errortype: ValidationException\r\n")  # fmt: skip
    kind = KINDS["bedrock, bearer"]
    async with HostileUpstream(closing(said)) as server:
        (trial,) = await reach(loaded(kind.settings.format(server.origin), kind.model), LIMIT_S)
    assert trial.problem is None
    gone = fixed(b'{"message":"The provided model identifier is invalid."}', status=400,
                 headers=f"{JSON}x-amzn-errortype: ValidationException\r\n")  # fmt: skip
    async with HostileUpstream(closing(gone)) as server:
        (trial,) = await reach(loaded(kind.settings.format(server.origin), kind.model), LIMIT_S)
    assert trial.problem is not None
    assert "model" in trial.problem.what


async def test_all_are_tried_and_told_of_in_the_files_order() -> None:
    text = """\
upstreams:
  broken: {kind: openai-compatible, base_url: 'http://127.0.0.1:9', tls: {ca_file: nowhere.pem}}
  any: {kind: openai-compatible, base_url: 'SERVER'}
  echo: {kind: echo}
models: {m: echo/echo, "any/*": any/*}
pipeline: [route, stream-translate]
"""
    async with HostileUpstream(closing(fixed(b'{"data":[]}', headers=JSON))) as server:
        config = load_text(text.replace("SERVER", server.origin), "p.yaml")
        trials = await reach(config, LIMIT_S)
    assert [(one.upstream, one.ok) for one in trials] == [("broken", False), ("any", True), ("echo", True)]
    assert trials[0].problem is not None
    assert "nowhere.pem" in trials[0].problem.what
