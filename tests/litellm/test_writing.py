"""Our own file as text."""

from __future__ import annotations

from proxy.config.nodes import compose, plain
from proxy.config.problems import Problems
from proxy.errors import Problem
from proxy.litellm.writing import write

FILE = {
    "listen": "0.0.0.0:4000",
    "admin": {"key": "sk-secret-1"},
    "upstreams": {
        "a": {"kind": "openai", "api_key": "sk-secret-2", "headers": {"x-a": "sk-secret-3"}, "region": "on"},
        "a-2": {
            "kind": "openai",
            "api_key": "os.environ/KEY",
            "credentials": "file:/k.json",
            "entra": {"client_secret": "sk-secret-4"},
        },
    },
    "models": {
        "m": [{"use": "a/x", "weight": 1}],
        "n*": [{"use": "a/n*", "weight": 2}, {"use": "a-2/n*", "weight": 1}],
    },
    "stores": {"counters": {"kind": "redis", "url": "redis://:sk-secret-5@h/0"}},
    "pipeline": [
        {"auth": {"keys": [{"id": "master", "key": "sk-secret-1"}]}},
        {
            "route": {
                "fallbacks": [{"from": "m", "to": [f"a-long-name-of-a-model-{n}" for n in range(9)]}],
                "cooldown": 30.0,
            }
        },
        {
            "transform": {
                "default": {"stop": "1e5", "user": "# no: comment", "a": "null", "b": ".5", "c": "x: y", "d": "é"}
            }
        },
        "stream-translate",
    ],
}


def test_what_is_no_secret_stays() -> None:
    written = write(
        {"upstreams": {"a": {"kind": "vllm", "api_key": "None"}}, "pipeline": [{"transform": {"set": {"key": "k"}}}]},
        "c",
        [],
        {},
    )
    assert ("api_key: None\n" in written.text, written.variables) == (True, {})


def test_it_says_the_same_without_a_secret() -> None:
    lost = Problem("config.yaml", 9, 1, "cache: not\nserved", "x", warning=True)
    written = write(FILE, "config.yaml", [lost], {"a": Problem("config.yaml", 3, 1, "")})
    assert "sk-secret" not in written.text + str(written.variables)
    assert "#   line 9: cache: not served (x)\n" in written.text
    assert "  a:  # line 3\n" in written.text
    root = compose(written.text, Problems("x"))
    assert root is not None
    read = plain(root)
    assert read["admin"]["key"] == read["pipeline"][0]["auth"]["keys"][0]["key"] == "env:LITELLM_MASTER_KEY"
    assert read["upstreams"] == {
        "a": {
            "kind": "openai",
            "api_key": "env:LITELLM_A_API_KEY",
            "headers": {"x-a": "env:LITELLM_A_HEADERS_X_A"},
            "region": "on",
        },
        "a-2": {
            "kind": "openai",
            "api_key": "env:KEY",
            "credentials": "file:/k.json",
            "entra": {"client_secret": "env:LITELLM_A_2_ENTRA_CLIENT_SECRET"},
        },
    }
    assert read["models"] == {"m": ["a/x"], "n*": [{"use": "a/n*", "weight": 2}, "a-2/n*"]}
    assert read["pipeline"][1:] == FILE["pipeline"][1:]
    assert read["stores"] == {"counters": {"kind": "redis", "url": "env:LITELLM_STORES_COUNTERS_URL"}}
    names = ("A_2_ENTRA_CLIENT_SECRET", "A_API_KEY", "A_HEADERS_X_A", "MASTER_KEY", "STORES_COUNTERS_URL")
    assert sorted(written.variables) == [f"LITELLM_{name}" for name in names]
    assert max(map(len, written.text.splitlines())) <= 120
