"""Opens connections to upstreams: name resolution, happy eyeballs, socket options, TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

from aiohappyeyeballs import AddrInfoType, start_connection

from ..errors import UpstreamTimeout, UpstreamUnreachable
from .address import Origin

HAPPY_EYEBALLS_S = 0.25
"""Head start of one address before the next is tried beside it (RFC 8305)."""

_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))

P = TypeVar("P", bound=asyncio.Protocol)


async def connect(
    origin: Origin, make_protocol: Callable[[], P], tls: ssl.SSLContext | None, timeout_s: float | None, peer: str
) -> P:
    """Returns the protocol of a new connection to the origin, over TLS when a context is given. Errors name `peer`.

    Raises UpstreamUnreachable with the cause, or UpstreamTimeout when resolution, TCP and TLS together take longer
    than `timeout_s`. When it is cancelled, nothing is left open.
    """
    loop = asyncio.get_running_loop()
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            sock = await start_connection(await _resolve(loop, origin), happy_eyeballs_delay=HAPPY_EYEBALLS_S)
            try:
                tune(sock)
            except OSError:  # it is gone already
                sock.close()
                raise
            server_name = origin.host if tls is not None else None
            _, protocol = await loop.create_connection(make_protocol, sock=sock, ssl=tls, server_hostname=server_name)
            return protocol
    except (OSError, RuntimeError, UnicodeError) as error:  # UnicodeError: a name that cannot be one
        if limit.expired():
            message = f"upstream {peer} could not be connected within {timeout_s:g} s"
            raise UpstreamTimeout(message, phase="connect") from None
        raise UpstreamUnreachable(f"upstream {peer} cannot be reached: {cause_of(error)}") from None


def cause_of(error: BaseException) -> str:
    """Returns why a connection could not be made, in a few words without addresses or secrets."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = str(error.verify_message or error.reason)
        return f"certificate verify failed: {said.partition(', certificate is not valid for')[0]}"
    if isinstance(error, ssl.SSLError):
        # Those raised by an event loop itself have no reason.
        reason = (getattr(error, "reason", None) or "unexpected end").replace("_", " ").lower()
        if "wrong version number" in reason:
            reason += "; is it a plain http:// server?"
        return f"TLS failed: {reason}"
    if isinstance(error, socket.gaierror):
        unknown = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
        return "name not known" if unknown else f"name resolution failed: {(error.strerror or '').lower()}"
    if isinstance(error, UnicodeError):
        return "name not known"
    if isinstance(error, ConnectionResetError):
        return "connection reset"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error).lower() or type(error).__name__


async def _resolve(loop: asyncio.AbstractEventLoop, origin: Origin) -> list[AddrInfoType]:
    try:
        address = ipaddress.ip_address(origin.host)
    except ValueError:
        infos = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        return list(infos)
    if isinstance(address, ipaddress.IPv6Address):
        return [(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (origin.host, origin.port, 0, 0))]
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (origin.host, origin.port))]


def tune(sock: socket.socket) -> None:
    """Sets the options of a socket to an upstream: no delay of small writes, and a probe of silent peers."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
