"""Where Bedrock is asked: hosts of regions, and models in paths.

A model's id is one segment of the path, whatever stands in it: ARNs hold colons and slashes (wire reference, 8.2).
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

_SUFFIXES = (
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
)
"""Domains of the partitions beside `amazonaws.com`, by how their regions begin."""

_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}")


def is_region(name: str) -> bool:
    """Tells whether a name has the form of a region's."""
    return _REGION.fullmatch(name) is not None


def runtime_url(region: str, *, fips: bool = False) -> str:
    """Returns where models of a region are asked."""
    return _url("bedrock-runtime-fips" if fips else "bedrock-runtime", region)


def control_url(region: str, *, fips: bool = False) -> str:
    """Returns where a region says which models it has."""
    return _url("bedrock-fips" if fips else "bedrock", region)


def _url(service: str, region: str) -> str:
    suffix = next((one for start, one in _SUFFIXES if region.startswith(start)), "amazonaws.com")
    return f"https://{service}.{region}.{suffix}"


def region_in(url: str) -> str | None:
    """Returns the region that the name of a host holds, None when there is none (a host of one's own, an address)."""
    labels = (urlsplit(url).hostname or "").split(".")
    return next((label for label in labels if is_region(label)), None)


def model_path(model: str, operation: str) -> str:
    """Returns the path of an operation on a model."""
    return f"/model/{quote(model, safe='')}/{operation}"
