"""Paths as Azure's clients write them."""

from __future__ import annotations

import pytest

from proxy.server.azure_paths import read_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/responses", ("/responses", None)),
        ("/responses/", ("/responses", None)),
        ("/", ("/", None)),
        ("/openai/v1/chat/completions", ("/chat/completions", None)),
        ("/openai/responses/resp_1/", ("/responses/resp_1", None)),
        ("/openai/files", ("/files", None)),
        ("/openai/deployments/gpt/chat/completions", ("/chat/completions", "gpt")),
        ("/openai/deployments/gpt/completions", ("/completions", "gpt")),
        ("/openai/deployments/local/llama3.2/chat/completions/", ("/chat/completions", "local/llama3.2")),
        ("/openai/deployments/local/a/b/embeddings", ("/embeddings", "local/a/b")),
        ("/openai/deployments/gpt/responses/resp_1", ("/responses/resp_1", "gpt")),
        ("/openai/deployments/gpt/models", ("/models", "gpt")),
        ("/openai/deployments/chat/completions", ("/completions", "chat")),
        ("/openai/deployments/", ("/deployments/", None)),
        ("/openai/deployments/gpt", ("/deployments/gpt", None)),
        ("/openai", ("/openai", None)),
        ("/openaifoo/v1", ("/openaifoo/v1", None)),
    ],
)
def test_paths(path, expected) -> None:
    assert read_path(path) == expected
