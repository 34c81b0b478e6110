from __future__ import annotations

import pytest

from proxy.config.types import Mistake
from proxy.providers.anthropic.profile import MessagesProfile


@pytest.mark.parametrize("name", ["model", "messages", "stream", "tools", "max_tokens"])
def test_extra_fields_cannot_be_those_of_the_request(name: str) -> None:
    with pytest.raises(Mistake, match=name):
        MessagesProfile(extra_body={name: 1})
    assert MessagesProfile(extra_body={"mcp_servers": []}).extra_body == {"mcp_servers": []}
