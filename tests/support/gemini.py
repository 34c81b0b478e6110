"""Short ways to feed a Gemini decoder and to build Gemini requests, and the machines around it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from proxy.api.responses.request import ResponsesRequest
from proxy.events import Event
from proxy.providers.gemini.build import Target, build_body
from proxy.providers.gemini.decoder import GeminiDecoder
from proxy.providers.gemini.profile import profile_of
from proxy.providers.gemini.settings import AskSettings
from proxy.providers.gemini.state import sealer
from proxy.providers.gemini.tools import GeminiNames
from proxy.providers.provider import TranslateOptions
from tests.support.asked import SEALING, request
from tests.support.machines import Setup, Translation, pieces

MODEL = "gemini-3-flash-preview"
OLD_MODEL = "gemini-2.5-flash"
MADE_BY = f"gemini/{MODEL}"

Said = dict[str, Any]


def response(*parts: Said, finish: str | None = None, **more: Any) -> Said:
    """Returns a GenerateContentResponse with those parts; `more` adds fields to it."""
    candidate: Said = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **more}


STOP = response({"text": ""}, finish="STOP")


def framed(*values: Any) -> bytes:
    """Returns responses as the API streams them."""
    return b"".join(b"data: " + json.dumps(value).encode() + b"\r\n\r\n" for value in values)


def decoder(made_by: str = MADE_BY) -> GeminiDecoder:
    """Returns a decoder that makes the call ids `made_1`, `made_2` and so on."""
    numbers = iter(range(1, 10_000))
    return GeminiDecoder(made_by, lambda: f"made_{next(numbers)}")


def decode(*values: Any) -> list[Event]:
    """Returns the events of a stream of these responses (or bytes, or payloads), one a read; it ends behind them."""
    machine = decoder()
    events: list[Event] = []
    for value in values:
        payload = value if isinstance(value, tuple) else (b"", value if isinstance(value, bytes) else dumped(value))
        events += machine.feed([payload])
    return events + machine.finish()


def whole(body: Any) -> list[Event]:
    """Returns the events of a non-streamed answer."""
    return decoder().whole(body if isinstance(body, bytes) else dumped(body))


def dumped(value: Any) -> bytes:
    """Returns JSON as bytes."""
    return json.dumps(value).encode()


class GeminiTranslation(Translation):
    """One answer of Gemini on its way to a Responses client."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.decoder = decoder()  # type: ignore[assignment]  # any decoder will do


def translate(raw: bytes, cuts: Iterable[int] = (), setup: Setup | None = None) -> bytes:
    """Returns the client's whole stream for the upstream's body, read in pieces that end at `cuts`."""
    machines = GeminiTranslation(setup or Setup())
    out = [machines.encoder.begin()]
    out.extend(machines.feed(piece) for piece in pieces(raw, cuts))
    out.append(machines.finish())
    return b"".join(out)


def translate_whole(body: bytes, setup: Setup | None = None) -> Said:
    """Returns the final Response for the body of a non-streamed answer."""
    machines = GeminiTranslation(setup or Setup())
    machines.encoder.begin()
    machines.encoder.encode(machines.decoder.whole(body))
    final: Said = json.loads(machines.encoder.final())
    return final


def sealed_output(raw: bytes, family: str = "gemini", model: str = MODEL) -> list[Said]:
    """Returns the output items for a stream, with what the model wants back sealed in them."""
    machines = GeminiTranslation(Setup(seal=sealer(family, model, SEALING)))
    machines.encoder.begin()
    machines.feed(raw)
    machines.finish()
    output: list[Said] = json.loads(machines.encoder.final())["output"]
    return output


class Built(NamedTuple):
    """A Gemini request: its body, the names of its tools, and what was named as without effect."""

    body: Said
    names: GeminiNames
    ignored: list[str]
    raw: bytes

    @property
    def contents(self) -> list[Said]:
        """The contents of the body."""
        contents: list[Said] = self.body["contents"]
        return contents

    @property
    def generation(self) -> Said:
        """The settings of the generation."""
        settings: Said = self.body.get("generationConfig", {})
        return settings


def build(
    made: ResponsesRequest,
    model: str = MODEL,
    *,
    family: str = "gemini",
    settings: AskSettings | None = None,
    signatures: dict[str, str] | None = None,
    **options: Any,
) -> Built:
    """Returns the Gemini request of a request that is found valid; `options` are those of the translation."""
    made.validate()
    ignored: list[str] = []
    target = Target(family=family, model=model, profile=profile_of(model), settings=settings or AskSettings())
    body, names = build_body(made, target, TranslateOptions(**options), ignored.append, SEALING, signatures)
    return Built(json.loads(body), names, ignored, body)


def asked(model: str = MODEL, **fields: Any) -> Built:
    """Returns the Gemini request of a request with those fields."""
    return build(request(**fields), model)
