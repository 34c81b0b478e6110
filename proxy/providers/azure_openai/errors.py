"""Maps Azure's error answers to the tree of errors: those of OpenAI's wire, and what Azure says in its own way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ...errors import UpstreamRefused
from ..chat.errors import refused as refused_by_table
from ..chat.surrogates import load
from ..chat.wording import strip_secrets

_VERSION = re.compile(r"api[- ]version", re.IGNORECASE)
_VERSION_CODES = frozenset(("missingapiversionparameter", "invalidapiversionparameter", "unsupportedapiversion"))
_POLICY_CODE = "responsibleaipolicyviolation"
_INNER = ("innererror", "inner_error")
_MODEL_STATUS = "ms-azureml-model-error-statuscode"
"""The status of a model's own server, whose errors Azure passes on as 424."""


def refused(upstream: str, status: int, headers: Mapping[str, str], body: bytes, *, advice: str) -> UpstreamRefused:
    """Returns the error for an answer with an error status of the upstream of that name.

    `advice` is what to do when the upstream takes us for nobody.
    """
    error = _error_of(body)
    if status == 424:
        status = _status_of_model(headers)
    if _is_policy(error):
        body = msgspec.json.encode({"error": {**error, "code": "content_filter"}})
    made = refused_by_table(upstream, status, headers, body, advice=advice)
    if made.code == "content_filter":
        made.param = None  # it says `prompt`, which to clients of the Responses API is something else
        if found := _filtered(error):
            made.message = f"{made.message} (filtered: {', '.join(found)})"
    elif status in (400, 404) and _is_version(error):
        made.status, made.type, made.code, made.param = 502, "server_error", "upstream_error", None
        made.message = f'upstream "{upstream}" answered {status}: check its api_version ({_words(error)})'
        made.retry_same, made.fail_over = False, True
    elif status == 404 and made.code == "upstream_error":
        made.message = f'upstream "{upstream}" answered 404: check its base_url and api_version'
    return made


def _error_of(body: bytes) -> dict[str, Any]:
    """Returns the error object of a body, or an empty one."""
    said = load(body.strip())
    error = said.get("error", said) if isinstance(said, dict) else None
    return error if isinstance(error, dict) else {}


def _status_of_model(headers: Mapping[str, str]) -> int:
    said = headers.get(_MODEL_STATUS, "").strip()
    return int(said) if re.fullmatch(r"[45]\d\d", said) else 502


def _inner(error: dict[str, Any]) -> dict[str, Any]:
    inner: dict[str, Any] = next((error[name] for name in _INNER if isinstance(error.get(name), dict)), {})
    return inner


def _is_policy(error: dict[str, Any]) -> bool:
    codes = (error.get("code"), _inner(error).get("code"))
    return any(isinstance(code, str) and code.lower() == _POLICY_CODE for code in codes)


def _is_version(error: dict[str, Any]) -> bool:
    code, message = error.get("code"), error.get("message")
    if isinstance(code, str) and code.lower() in _VERSION_CODES:
        return True
    return isinstance(message, str) and _VERSION.search(message) is not None


def _words(error: dict[str, Any]) -> str:
    message = error.get("message")
    # "api-version" looks like a key
    return strip_secrets(message.replace("api-v", "api v"), 300) if isinstance(message, str) else "it said nothing"


def _filtered(error: dict[str, Any]) -> list[str]:
    """Returns what Azure's filter has found in a prompt: `violence (medium)`, `jailbreak`."""
    results = _inner(error).get("content_filter_result")
    if not isinstance(results, dict):
        results = _inner(error).get("content_filter_results")
    found = []
    for name, result in (results if isinstance(results, dict) else {}).items():
        if isinstance(result, dict) and (result.get("filtered") is True or result.get("detected") is True):
            severity = result.get("severity")
            found.append(f"{name} ({severity})" if isinstance(severity, str) else str(name))
    return found
