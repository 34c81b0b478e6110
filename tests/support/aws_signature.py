"""Checks signatures of requests as AWS does: by botocore, over the bytes that were received."""

from __future__ import annotations

from urllib.parse import urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials


class BadSignature(Exception):
    """A request is not signed, by another secret, for another place, or over something else."""


def signed_by(received: bytes, secret: str, region: str, service: str = "bedrock") -> str:
    """Returns the access key that a request was signed with; raises BadSignature."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        raise BadSignature("the request is not signed")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    signer, _, signed_region, signed_service, _ = parts["Credential"].split("/")
    names = parts["SignedHeaders"].split(";")
    if (signed_region, signed_service) != (region, service) or not {"host", "x-amz-date"} <= set(names):
        raise BadSignature(f"signed for {signed_service} in {signed_region}, over {names}")
    url = f"http://{headers['host']}{urlsplit(path).path}"
    form = AWSRequest(method, url, data=body, headers={name: headers[name] for name in names})
    form.context["timestamp"] = headers["x-amz-date"]
    credentials = ReadOnlyCredentials(signer, secret, headers.get("x-amz-security-token"))
    auth = botocore.auth.SigV4Auth(credentials, service, region)
    if auth.signature(auth.string_to_sign(form, auth.canonical_request(form)), form) != parts["Signature"]:
        raise BadSignature("The request signature we calculated does not match the signature you provided.")
    return signer
