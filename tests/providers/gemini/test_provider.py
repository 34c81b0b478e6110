import json

import pytest

from proxy.config.types import Secret
from proxy.errors import BadRequest, UpstreamRefused
from proxy.providers.gemini.config import GeminiConfig
from proxy.providers.gemini.provider import Gemini, model_path
from tests.support.hostile import HostileUpstream, fixed


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("tunedModels/mine-1", "tunedModels/mine-1"),
    ],
)
def test_where_a_model_stands(model, path):
    assert model_path(model) == path


@pytest.mark.parametrize(
    "model", ["", "../files", "a/b", "models/../x", "a:b", "a?b", "a#b", "a b", "models/", "é", "-a", "a\n", "a%2fb"]
)
def test_names_that_would_lead_elsewhere_are_no_models(model):
    with pytest.raises(BadRequest) as caught:
        model_path(model)
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")


@pytest.mark.parametrize(
    ("settings", "words"),
    [({}, "it wants an api_key"), ({"api_key": Secret("k", "env:KEY")}, "check its api_key (env:KEY)")],
)
async def test_what_to_do_when_the_key_is_wrong(settings, words):
    up = Gemini("g", GeminiConfig(**settings))
    error = up.error(400, {}, b'{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}')
    assert error.message == f'upstream "g" answered 400: {words}'
    await up.close()


async def listed(*pages):
    """Returns the models of a server that answers with these pages, one a request, and the paths it was asked."""

    async def script(peer):
        while True:
            paths.append((await peer.request()).split(b" ", 2)[1].decode())
            await peer.send(fixed(json.dumps(pages[len(paths) - 1]).encode() if pages else b"[", status=200))

    paths = []
    async with HostileUpstream(script) as server:
        up = Gemini("g", GeminiConfig(base_url=f"http://127.0.0.1:{server.port}"))
        try:
            return await up.models(), paths
        finally:
            await up.close()


def model(name, *methods):
    return {"name": f"models/{name}", "supportedGenerationMethods": list(methods)}


async def test_models_that_can_answer_are_listed_from_all_pages():
    models, paths = await listed(
        {"models": [model("a", "generateContent"), model("b", "embedContent")], "nextPageToken": "t/1"},
        {"models": [{"name": "models/c"}]},
    )
    assert models == ["a", "c"]
    assert paths == ["/v1beta/models?pageSize=1000", "/v1beta/models?pageSize=1000&pageToken=t%2F1"]


async def test_a_list_that_is_none():
    assert (await listed())[0] == []


async def test_a_list_that_is_refused():
    async def script(peer):
        await peer.request()
        await peer.send(fixed(b'{"error":{"code":403,"message":"no"}}', status=403))

    async with HostileUpstream(script) as server:
        up = Gemini("g", GeminiConfig(base_url=f"http://127.0.0.1:{server.port}"))
        with pytest.raises(UpstreamRefused):
            await up.models()
        await up.close()
