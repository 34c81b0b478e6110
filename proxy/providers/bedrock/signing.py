"""Signs requests by AWS's Signature Version 4, as botocore writes it.

What is signed: method, path, host, content type, date, token and the exact bytes of the body. Other headers are left
out, so that nothing on the way that changes them breaks the signature.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from ...upstream.address import parse_url
from ...upstream.client import UpstreamRequest
from .credentials import Keys

SERVICE = "bedrock"
_STAMP = "%Y%m%dT%H%M%SZ"


def signed(request: UpstreamRequest, keys: Keys, region: str, at: datetime) -> UpstreamRequest:
    """Returns the request with its signature; `at` is the time in UTC."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import ReadOnlyCredentials

    auth = SigV4Auth(ReadOnlyCredentials(keys.access_key, keys.secret_key, keys.token), SERVICE, region)
    stamp = at.strftime(_STAMP)
    own = {"host": parse_url(request.url).host, "x-amz-date": stamp}
    if "content-type" in request.headers:
        own["content-type"] = request.headers["content-type"]
    if keys.token:
        own["x-amz-security-token"] = keys.token
    form = AWSRequest(method=request.method, url=request.url, data=request.body, headers=own)
    form.context["timestamp"] = stamp
    signature = auth.signature(auth.string_to_sign(form, auth.canonical_request(form)), form)
    names = auth.signed_headers(auth.headers_to_sign(form))
    del own["host"]
    scheme = f"AWS4-HMAC-SHA256 Credential={auth.scope(form)}, SignedHeaders={names}, Signature={signature}"
    return msgspec.structs.replace(request, headers={**request.headers, **own, "authorization": scheme})
