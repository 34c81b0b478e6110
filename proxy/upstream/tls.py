"""TLS towards upstreams: what may be set, and the context made of it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated

import msgspec


def _about(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class TlsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """TLS towards an upstream. By default its certificate is verified against the system's authorities."""

    verify: Annotated[
        bool, _about("Whether the upstream must prove who it is; false lets anyone on the way read and change all.")
    ] = True
    ca_file: Annotated[str | None, _about("PEM file of the authorities to trust instead of the system's.")] = None
    client_cert: Annotated[str | None, _about("PEM file of the certificate, with its chain, to show upstream.")] = None
    client_key: Annotated[str | None, _about("PEM file of its key, if that is not in client_cert.")] = None


def make_context(settings: TlsSettings | None = None) -> ssl.SSLContext:
    """Returns the context for connections to upstreams (HTTP/1.1 by ALPN, TLS 1.2 or later).

    Raises ValueError that names the setting and the file when one is missing or cannot be used.
    """
    settings = settings or TlsSettings()
    if settings.client_key is not None and settings.client_cert is None:
        raise ValueError("client_key is set without client_cert")
    for name in ("ca_file", "client_cert", "client_key"):
        path = getattr(settings, name)
        if path is not None and not Path(path).is_file():
            raise ValueError(f'{name}: there is no file "{path}"')
    context = _trusting(settings)
    if settings.client_cert is not None:
        _show(context, settings.client_cert, settings.client_key)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _trusting(settings: TlsSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (ssl.SSLError, OSError) as error:
        raise ValueError(f'ca_file: "{settings.ca_file}" cannot be used: {_cause(error)}') from None
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _show(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    try:
        context.load_cert_chain(cert, key, password=_no_passphrase)
    except _LockedKey:
        raise ValueError(f'client_key: "{key or cert}" is locked by a passphrase; give an unlocked key') from None
    except (ssl.SSLError, OSError) as error:
        files = f'"{cert}"' if key is None else f'"{cert}" and "{key}"'
        raise ValueError(f"client_cert: {files} cannot be used: {_cause(error)}") from None


class _LockedKey(Exception):
    """The key file asks for a passphrase."""


def _no_passphrase() -> str:
    # Without this, OpenSSL would ask on the terminal.
    raise _LockedKey


def _cause(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM certificate in it").replace("_", " ").lower()
    return (error.strerror or "unreadable").lower()
