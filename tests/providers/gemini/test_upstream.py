import json

import pytest

from proxy.api.chat.request import ChatRequest
from proxy.config.types import Secret
from proxy.errors import InternalError, UpstreamRefused
from proxy.exchange import Attempt, Client, Exchange
from proxy.providers.gemini.config import GeminiConfig
from proxy.providers.gemini.decoder import GeminiDecoder
from proxy.providers.gemini.provider import Gemini
from proxy.providers.gemini.state import sealer, state_of
from proxy.providers.provider import Deployment, TranslateOptions
from proxy.request import ModelRequest
from tests.support.asked import call, function, output, request, user
from tests.support.gemini import MODEL
from tests.support.hostile import HostileUpstream, fixed
from tests.support.strict_gemini import check

URL = "https://generativelanguage.googleapis.com/v1beta"


def upstream(**settings):
    return Gemini("g", GeminiConfig(**settings))


def exchange(made):
    return Exchange("ex_1", Client("127.0.0.1", {}), made)


def test_a_streamed_request():
    up = upstream(api_key=Secret("AIza-1"), headers={"X-Title": Secret("penstock")})
    made = up.build(exchange(request(stream=True)), MODEL)
    assert (made.method, made.url) == ("POST", f"{URL}/models/{MODEL}:streamGenerateContent?alt=sse")
    assert made.headers == {
        "content-type": "application/json",
        "user-agent": "penstock",
        "x-goog-api-key": "AIza-1",
        "x-title": "penstock",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
    }
    assert check(made.body) == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def test_a_request_that_is_not_streamed():
    made = upstream().build(exchange(request()), MODEL)
    assert made.url == f"{URL}/models/{MODEL}:generateContent"
    assert made.headers["accept"] == "application/json"
    assert "accept-encoding" not in made.headers


def test_headers_of_one_request_do_not_reach_the_next():
    up = upstream()
    up.build(exchange(request()), MODEL).headers["x-evil"] = "1"
    assert "x-evil" not in up.build(exchange(request()), MODEL).headers


def test_a_chat_request():
    chat = ChatRequest.parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode())
    assert check(upstream().build(exchange(chat), MODEL).body)["contents"][0]["parts"] == [{"text": "hi"}]


def test_the_map_of_the_tools_is_left_for_the_encoder_and_hints_are_noted():
    tools = [{"type": "namespace", "name": "ns", "tools": [function("f")]}, {"type": "file_search"}]
    one = exchange(request(tools=tools, user="u"))
    upstream().build(one, MODEL)
    assert one.marks["tools"].lookup("ns__f").namespace == "ns"
    assert one.ignored == ["user", "tools[1]: file_search"]


def test_options_of_the_translation_are_kept():
    one = exchange(request(user="u"))
    one.translate = TranslateOptions(params="strict")
    with pytest.raises(Exception, match="'user' is not supported"):
        upstream().build(one, MODEL)


def test_signatures_that_were_refused_are_left_out_of_the_next_attempt():
    up = upstream()
    state = state_of("c2ln", f"gemini/{MODEL}", "call", id="x1").state
    sealed = sealer("gemini", MODEL, up.sealing)(state, "")
    thought = {"type": "reasoning", "summary": [], "encrypted_content": sealed}
    one = exchange(request(input=[user("?"), thought, call("x1"), output("x1")]))

    def signature():
        return json.loads(up.build(one, MODEL).body)["contents"][1]["parts"][0]["thoughtSignature"]

    assert signature() == "c2ln"
    one.attempts.append(Attempt("other", MODEL, 0.0, 400, "invalid_encrypted_content"))
    assert signature() == "c2ln"
    one.attempts.append(Attempt("g", MODEL, 0.0, 400, "invalid_encrypted_content"))
    assert signature() == "skip_thought_signature_validator"


def test_thoughts_are_asked_for_unless_they_are_dropped():
    one = exchange(request(reasoning={"summary": "auto"}))
    assert b"includeThoughts" in upstream().build(one, MODEL).body
    one.translate = TranslateOptions(reasoning="drop")
    assert b"includeThoughts" not in upstream().build(one, MODEL).body


def test_no_client_speaks_its_dialect():
    assert upstream().dialects == frozenset()
    with pytest.raises(InternalError):
        upstream().passthrough(exchange(request()), MODEL)

    class Other(ModelRequest):
        dialect = "chat"
        validate = texts = add_instructions = copy = None

    Other.__abstractmethods__ = frozenset()
    with pytest.raises(InternalError):
        upstream().build(exchange(Other({})), MODEL)


@pytest.mark.parametrize(
    ("fields", "keeps", "seals"),
    [({}, False, False), ({}, True, True), ({"include": ["reasoning.encrypted_content"]}, False, True)],
)
def test_signatures_are_sealed_for_whom_they_are_kept(fields, keeps, seals):
    one = exchange(request(**fields))
    one.keeps = keeps
    assert (upstream().sealer(one, MODEL) is not None) is seals


def test_chat_clients_get_nothing_sealed():
    chat = exchange(ChatRequest.parse(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'))
    chat.keeps = True
    assert upstream().sealer(chat, MODEL) is None


def test_a_decoder_knows_which_model_answers():
    up, one = upstream(), exchange(request())
    assert isinstance(up.decoder(one), GeminiDecoder)
    one.deployment = Deployment(up, MODEL)
    part = {"functionCall": {"name": "f"}, "thoughtSignature": "c2ln"}
    (state, *_) = up.decoder(one).feed([(b"", json.dumps({"candidates": [{"content": {"parts": [part]}}]}).encode())])
    assert state.state["details"][0]["made_by"] == f"gemini/{MODEL}"


async def counted(body, status=200):
    async def script(peer):
        asked.append(await peer.request())
        await peer.send(fixed(body, status=status))

    asked = []
    async with HostileUpstream(script) as server:
        up = upstream(base_url=f"http://127.0.0.1:{server.port}", api_key=Secret("k"))
        try:
            return await up.count_tokens(exchange(request(instructions="be", tools=[function("f")])), MODEL), asked[0]
        finally:
            await up.close()


async def test_tokens_are_counted_of_the_request_itself():
    count, asked = await counted(b'{"totalTokens": 31, "promptTokensDetails": []}')
    assert count == 31
    assert asked.startswith(f"POST /v1beta/models/{MODEL}:countTokens HTTP/1.1\r\n".encode())
    body = json.loads(asked.partition(b"\r\n\r\n")[2])["generateContentRequest"]
    assert body.pop("model") == f"models/{MODEL}"
    check(body)
    assert set(body) == {"contents", "systemInstruction", "tools"}


async def test_a_count_that_is_none_is_unknown():
    assert (await counted(b"{}"))[0] is None


async def test_a_count_that_is_refused():
    with pytest.raises(UpstreamRefused):
        await counted(b'{"error":{"code":503,"message":"busy"}}', 503)
