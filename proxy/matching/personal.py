"""Personal data and secrets that have a form of their own, each looked for by an expression and then examined.

The expression finds what may be one, in text that arrives in pieces; what it finds counts only where the examination
(a check digit, a length, what stands beside it) says so. The forms are those of the standards and of the vendors:
ISO/IEC 7812 and Luhn for cards, ISO 13616 for IBANs, E.164 for telephones.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import cache
from typing import Literal, get_args

import msgspec

from .patterns import Pattern, Span

PersonalKind = Literal["credit_card", "iban", "email", "phone", "ip", "api_key", "jwt", "private_key"]
"""What can be looked for."""
KINDS: tuple[PersonalKind, ...] = get_args(PersonalKind)

Examine = Callable[[str, int, int], Span | int | None]
"""Takes a text and where a candidate stands in it; returns what of it counts, from the same beginning.

When it is no such thing: from where to look for the next, None for one character later.
"""

_BEHIND = 64
_DOUBLED = bytes(sum(divmod(2 * max(0, byte - 48), 10)) if byte < 58 else 0 for byte in range(256))
"""For a written digit, what its double counts in a check digit."""
_NO_SEPARATORS = dict.fromkeys(map(ord, " .\u00a0\u2011-"))
_VENDORS = (
    r"sk-[A-Za-z0-9_-]{20,}",  # OpenAI, Anthropic, OpenRouter, DeepSeek
    r"A(?:KIA|SIA|BIA|CCA)[0-9A-Z]{16}",  # AWS
    r"gh[pousr]_[A-Za-z0-9]{36,}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"glpat-[A-Za-z0-9_-]{20,}",  # GitLab
    r"AIza[0-9A-Za-z_-]{35,}",  # Google
    r"ya29\.[0-9A-Za-z_-]{20,}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    r"xapp-[A-Za-z0-9-]{10,}",
    r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
    r"whsec_[A-Za-z0-9+/=]{24,}",
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",  # SendGrid
    r"hf_[A-Za-z0-9]{30,}",  # Hugging Face
    r"gsk_[A-Za-z0-9]{40,}",  # Groq
    r"xai-[A-Za-z0-9]{40,}",  # xAI
    r"npm_[A-Za-z0-9]{36,}",
    r"pypi-[A-Za-z0-9_-]{50,}",
    r"dop_v1_[a-f0-9]{64}",  # DigitalOcean
)
_CARDS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (4, 4, (13, 16, 19)),  # Visa
    (51, 55, (16,)),  # Mastercard
    (2221, 2720, (16,)),
    (34, 34, (15,)),  # American Express
    (37, 37, (15,)),
    (300, 305, (14, 16, 19)),  # Diners Club
    (36, 36, (14, 16, 19)),
    (38, 39, (14, 16, 19)),
    (6011, 6011, (16, 19)),  # Discover
    (644, 659, (16, 19)),
    (3528, 3589, (16, 19)),  # JCB
    (62, 62, (16, 17, 18, 19)),  # UnionPay
    (50, 50, (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    (56, 58, (13, 14, 15, 16, 17, 18, 19)),
    (6304, 6304, (16, 17, 18, 19)),
    (6759, 6763, (16, 17, 18, 19)),
)
"""Beginnings of card numbers, from and to, and how long such a number is."""
_IBANS = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "FK", "FO", "GL", "NL", "SD"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "KZ", "LT", "LU", "MN", "XK"), 20),
    **dict.fromkeys(("CH", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "BH", "CR", "DE", "GB", "GE", "IE", "ME", "RS", "VA"), 22),
    **dict.fromkeys(("AE", "GI", "IL", "IQ", "OM", "SO", "TL"), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG"), 24),
    **dict.fromkeys(("LY", "PT", "ST"), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("BI", "DJ", "FR", "GR", "IT", "MC", "MR", "SM"), 27),
    **dict.fromkeys(("AL", "AZ", "BY", "CY", "DO", "GT", "HU", "LB", "NI", "PL", "SV"), 28),
    **dict.fromkeys(("BR", "EG", "PS", "QA", "UA"), 29),
    **dict.fromkeys(("JO", "KW", "MU", "YE"), 30),
    **dict.fromkeys(("MT", "SC"), 31),
    **dict.fromkeys(("LC",), 32),
    **dict.fromkeys(("RU",), 33),
}
"""How many characters an IBAN of a country has."""


class _Form(msgspec.Struct, frozen=True):
    source: str
    max_match: int
    examine: Examine
    hint: str | None = None


class Personal(Pattern):
    """One kind of personal data or secrets, found for one rule."""

    def __init__(self, kind: PersonalKind, *, rule: int = 0) -> None:
        form = _FORMS[kind]
        super().__init__(form.source, rule=rule, case_sensitive=True, max_match=form.max_match, behind=_BEHIND)
        self._examine = form.examine
        if form.hint is not None:
            self.hint = re.compile(form.hint)

    def span_at(self, text: str, start: int, end: int) -> Span | int | None:
        """Returns what of a candidate counts, or where to look for the next when it is no such thing."""
        return self._examine(text, start, end)


def luhn(digits: str) -> bool:
    """Tells whether the check digit at the end is right (ISO/IEC 7812-1, annex B)."""
    written = digits.encode()
    kept = written[::-2]
    return (sum(kept) - 48 * len(kept) + sum(written[-2::-2].translate(_DOUBLED))) % 10 == 0


def _part_of_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] == "_")


def _card(text: str, start: int, end: int) -> Span | None:
    digits = text[start:end].translate(_NO_SEPARATORS)
    for length in _card_lengths(digits[:4]):
        if length <= len(digits) and luhn(digits[:length]):
            last = [at for at in range(start, end) if text[at].isdecimal()][length - 1] + 1
            if not _part_of_word(text, last):
                return start, last
    return None


@cache  # of four digits there are ten thousand
def _card_lengths(beginning: str) -> tuple[int, ...]:
    """Returns how long cards are that begin with four digits, the longest of each kind first."""
    kinds = [lengths for low, high, lengths in _CARDS if low <= int(beginning[: len(str(low))]) <= high]
    return tuple(length for lengths in kinds for length in reversed(lengths))


def _iban(text: str, start: int, end: int) -> Span | None:
    places = [at for at in range(start, end) if text[at].isalnum()]
    length = _IBANS.get(text[start : start + 2].upper(), 0)
    if not 0 < length <= len(places):
        return None
    last = places[length - 1] + 1
    if _part_of_word(text, last):
        return None
    letters = "".join(text[at] for at in places[:length])
    number = "".join(str(int(char, 36)) for char in letters[4:] + letters[:4])
    return (start, last) if int(number) % 97 == 1 else None


def _phone(text: str, start: int, end: int) -> Span | None:
    before = text[start - 1] if start else " "
    if before.isalnum() or before in "_+.-/" or _part_of_word(text, end):
        return None
    if text[start] == "+":
        return (start, end) if 8 <= sum(char.isdecimal() for char in text[start:end]) <= 15 else None
    follows = text[end : end + 2]
    return None if len(follows) == 2 and follows[0] in ".-/" and follows[1].isalnum() else (start, end)


def _address(text: str, start: int, end: int) -> Span | None:
    found, follows = text[start:end], text[end : end + 1]
    if (start and text[start - 1] in ".:-") or _part_of_word(text, end):
        return None
    if ":" in found and (follows == ":" or not any(char.isdecimal() for char in found)):
        return None  # the latter are names in programs: dead::beef
    try:
        ipaddress.ip_address(found)
    except ValueError:
        return None
    return start, end


def _jwt(text: str, start: int, end: int) -> Span | int:
    return (start, end) if "." in text[start:end] else end


def _as_it_is(text: str, start: int, end: int) -> Span | None:
    return start, end


_PEM = r"(?:[A-Z0-9]{1,10} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_FORMS: dict[PersonalKind, _Form] = {
    "credit_card": _Form("\\b[0-9](?:[ .\u00a0\u2011-]?[0-9]){12,24}", 64, _card, "[0-9]"),
    "iban": _Form(r"\b[A-Za-z]{2}[0-9]{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}", 80, _iban),
    "email": _Form(r"\b\w[\w.%+'-]{0,63}@(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.){1,8}[A-Za-z]{2,24}", 330, _as_it_is),
    "phone": _Form(
        r"(?:\+[1-9](?:[ ().\u00a0-]{0,2}[0-9]){7,14}|\(?[2-9][0-9]{2}\)?[ .-][2-9][0-9]{2}[ .-][0-9]{4})",
        64,
        _phone,
        "[+(0-9]",
    ),
    "ip": _Form(
        r"\b(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3,8}"
        r"|[0-9A-Fa-f]{1,4}(?:::?[0-9A-Fa-f]{1,4}){1,8}(?:(?:\.[0-9]{1,3}){3}|::)?)",
        64,
        _address,
    ),
    "api_key": _Form(rf"\b(?:{'|'.join(_VENDORS)})", 512, _as_it_is),
    # all that begin in one run of these letters are one or none: what has no more parts is passed over at once
    "jwt": _Form(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})?", 8192, _jwt),
    "private_key": _Form(
        rf"-----BEGIN {_PEM}(?:[\sA-Za-z0-9+/=:,.()\\]|-[A-Za-z])*(?:-----END {_PEM})?",
        16384,
        _as_it_is,
        "-",
    ),
}
