"""Recognises what an upstream's error text means, and takes out of it what no client may see."""

from __future__ import annotations

import re

from ...redact import hide

_CONTEXT = re.compile(
    r"context_length_exceeded|maximum context length|exceeds? (?:the |your )?(?:model'?s? )?(?:available )?context"
    r"|exceed context limit|longer than the model'?s context|context window|prompt is too long"
    r"|requested token count exceeds|input tokens exceed|current length is \d+ while limit is"
    r"|inputs? tokens \+ max_new_tokens must be|maximum input length is|too many (?:input )?tokens in (?:the )?prompt"
    r"|exceed(?:s|ed) (?:the )?max(?:imum)? (?:context length|number of tokens allowed)|input tokens exceeds? maximum",
    re.IGNORECASE,
)
_POLICY = re.compile(r"content[ _](?:management )?policy|content_filter|safety system|responsibleai", re.IGNORECASE)
_BUSY = re.compile(r"overloaded|over capacity|at capacity|loading model|currently loading", re.IGNORECASE)

_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), r"\1 ***"),
    (re.compile(r"\b(?:sk|pk|rk|gsk|xai|key|api)[-_][\w-]{6,}[\w*-]*"), "***"),
    (re.compile(r"\b(?:AIza[\w-]{20,}|ya29\.[\w.-]{10,}|A[KS]IA[A-Z0-9]{12,}|eyJ[\w-]{10,}\.[\w-]+\.[\w-]+)"), "***"),
    (re.compile(r"(?i)([?&](?:key|api[-_]?key|token|sig|signature)=)[^&\s\"']+"), r"\1***"),
    (re.compile(r"\b(Credential|Signature)=[^\s,&\"']+"), r"\1=***"),  # of AWS, which echoes what it cannot read
    (re.compile(r"(?i)\b(?:https?|wss?)://[^\s\"'<>)\]]+"), "(address)"),
    (re.compile(r"\borg-[A-Za-z0-9]{8,}\b"), "org-***"),
)


def is_context_overflow(message: str) -> bool:
    """Tells whether a message says that the input is longer than the model can take."""
    return "string_above_max_length" not in message and _CONTEXT.search(message) is not None


def is_content_policy(message: str) -> bool:
    """Tells whether a message says that a content policy refused the prompt."""
    return _POLICY.search(message) is not None


def is_overloaded(message: str) -> bool:
    """Tells whether a message says that the upstream cannot take more at the moment."""
    return _BUSY.search(message) is not None


def strip_secrets(message: str, limit: int = 2000) -> str:
    """Returns an upstream's message without keys, tokens and addresses, cut at `limit` characters.

    Secrets of the file are known by their values, others by their look.
    """
    message = hide(message[: 4 * limit])
    for pattern, instead in _SECRETS:
        message = pattern.sub(instead, message)
    return message if len(message) <= limit else message[: limit - 1] + "…"
