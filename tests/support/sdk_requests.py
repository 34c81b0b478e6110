"""Request bodies, judged by the providers' own SDKs: by the types they ask for, and by what they themselves would send.

The types of `anthropic` are read as they are declared: what is not declared is refused, and nothing is converted.
`google-genai` and `botocore` are given what a body says, and must make the very same body of it.
"""

from __future__ import annotations

import base64
import json
import types
import typing
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin

import typing_extensions
from anthropic._types import SequenceNotStr
from anthropic.types import MessageCreateParams
from anthropic.types.beta import BetaMessageParam
from botocore.serialize import create_serializer
from botocore.session import Session
from botocore.validate import validate_parameters
from google.genai import _common, models
from google.genai import types as genai

_LISTS = (list, Iterable, Sequence, SequenceNotStr, typing.Iterable)
_REQUIRED = (Required, typing_extensions.Required, NotRequired, typing_extensions.NotRequired)
_SYSTEM = "system"
"""A role that the newest models take between messages; only the SDK's beta types know it."""


def check_messages(body: Mapping[str, Any]) -> None:
    """Raises AssertionError for what is no request of the Messages API as `anthropic` declares it."""
    messages = []
    for index, message in enumerate(body["messages"]):
        if message["role"] == _SYSTEM:
            _check(message, BetaMessageParam, f"messages[{index}]")
        else:
            messages.append(message)
    _check({**body, "messages": messages}, MessageCreateParams, "")


def _check(value: Any, wanted: Any, path: str) -> None:
    """Raises AssertionError for a value that is not of a type of the SDK's declarations."""
    origin = get_origin(wanted)
    if wanted is Any or wanted is object:
        return
    if origin in _REQUIRED or origin is typing.Annotated:
        _check(value, get_args(wanted)[0], path)
    elif origin in (Union, types.UnionType):
        _check_any(value, get_args(wanted), path)
    elif origin is Literal:
        allowed = [(type(one), one) for one in get_args(wanted)]
        assert (type(value), value) in allowed, f"{path}: {value!r} is none of {get_args(wanted)}"
    elif typing_extensions.is_typeddict(wanted):
        _check_fields(value, wanted, path)
    elif origin in _LISTS:
        assert isinstance(value, list), f"{path}: {value!r} is no list"
        for index, one in enumerate(value):
            _check(one, get_args(wanted)[0], f"{path}[{index}]")
    elif origin in (dict, Mapping):
        assert isinstance(value, dict), f"{path}: {value!r} is no object"
        for name, one in value.items():
            _check(one, get_args(wanted)[1], f"{path}.{name}")
    elif wanted is float:
        assert isinstance(value, (int, float)), f"{path}: {value!r} is no number"
        assert not isinstance(value, bool), f"{path}: a boolean"
    else:
        assert type(value) is (type(None) if wanted is None else wanted), f"{path}: {value!r} is no {wanted}"


def _check_any(value: Any, wanted: tuple[Any, ...], path: str) -> None:
    refusals = []
    for one in wanted:
        try:
            return _check(value, one, path)
        except AssertionError as refusal:
            refusals.append(str(refusal))
    # the refusal that got the furthest was by the type that was meant
    raise AssertionError(max(refusals, key=lambda text: len(text.partition(": ")[0])))


def _check_fields(value: Any, wanted: Any, path: str) -> None:
    assert isinstance(value, dict), f"{path}: {value!r} is no {wanted.__name__}"
    fields = _fields(wanted)
    unknown = set(value) - set(fields)
    missing = {name for name, one in fields.items() if get_origin(one) in _REQUIRED[:2]} - set(value)
    assert not unknown, f"{path}: {wanted.__name__} has no {sorted(unknown)}"
    assert not missing, f"{path}: {wanted.__name__} wants {sorted(missing)}"
    if "type" in value:  # says which one of several was meant
        _check(value["type"], fields["type"], path)
    for name, one in value.items():
        _check(one, fields[name], f"{path}.{name}")


@cache
def _fields(wanted: Any) -> dict[str, Any]:
    return typing_extensions.get_type_hints(wanted, include_extras=True)


_BESIDE = ("contents", "generationConfig")


def check_generate_content(body: Mapping[str, Any], *, vertex: bool = False) -> None:
    """Raises what `google-genai` does for a body that it does not know, and AssertionError for one it makes otherwise.

    `vertex` says whose: Vertex AI's, or the Gemini API's.
    """
    assert _plain(_made(body, vertex), camel=True) == _plain(body)


def _made(body: Mapping[str, Any], vertex: bool) -> dict[str, Any]:
    """Returns the body that the SDK makes of what a body says."""
    config = {**body.get("generationConfig", {}), **{name: one for name, one in body.items() if name not in _BESIDE}}
    said = json.dumps({"model": "m", "contents": body["contents"], "config": config})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it only warns of words that it does not know
        asked = genai._GenerateContentParameters.model_validate_json(said)
    convert = models._GenerateContentParameters_to_vertex if vertex else models._GenerateContentParameters_to_mldev
    made = convert(_Api(vertex), asked, None, asked)  # type: ignore[arg-type]  # it reads nothing else of a client
    made = {name: one for name, one in made.items() if name not in ("_url", "_query", "config")}
    again: dict[str, Any] = json.loads(json.dumps(_common.encode_unserializable_types(_common.convert_to_dict(made))))
    if not again.get("generationConfig"):
        again.pop("generationConfig", None)
    return again


class _Api:
    def __init__(self, vertex: bool) -> None:
        self.vertexai = vertex
        self.enterprise = vertex


_FREE = ("args", "response", "parametersJsonSchema", "responseJsonSchema")
"""What is the client's own, and not spelled by the API."""
_BASE64 = ("data", "thoughtSignature")
_WORDS = ("thinkingLevel",)


def _plain(value: Any, name: str = "", *, camel: bool = False) -> Any:
    """Returns a value with one spelling of base64, one order of tools, one case of words that may be in either.

    `camel`: names as the API spells them; the SDK leaves many as Python has them, which the API takes too.
    """
    if isinstance(value, dict) and name not in _FREE:
        named = {_camel(key) if camel else key: one for key, one in value.items()}
        return {key: _plain(one, key, camel=camel) for key, one in named.items()}
    if isinstance(value, list):
        plain = [_plain(one, camel=camel) for one in value]
        return sorted(plain, key=str) if name == "tools" else plain
    if name in _BASE64 and isinstance(value, str):
        return value.replace("-", "+").replace("_", "/").rstrip("=")
    return value.lower() if name in _WORDS else value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def check_converse(body: Mapping[str, Any], *, stream: bool = False) -> None:
    """Raises what `botocore` does for parameters that Converse does not take; AssertionError for another body."""
    operation = _operation("ConverseStream" if stream else "Converse")
    asked = {"modelId": "m", **_unpacked(body, operation.input_shape)}
    validate_parameters(asked, operation.input_shape)
    made = create_serializer("rest-json").serialize_to_request(asked, operation)
    assert json.loads(made["body"]) == body


@cache
def _operation(name: str) -> Any:
    return Session().get_service_model("bedrock-runtime").operation_model(name)


def _unpacked(value: Any, shape: Any) -> Any:
    """Returns a value of the wire as the SDK is given it: blobs as bytes."""
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    if shape.type_name == "list" and isinstance(value, list):
        return [_unpacked(one, shape.member) for one in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: _unpacked(one, shape.value) for key, one in value.items()}
    if shape.type_name == "structure" and isinstance(value, dict) and not shape.is_document_type:
        return {key: _unpacked(one, shape.members[key]) if key in shape.members else one for key, one in value.items()}
    return value
