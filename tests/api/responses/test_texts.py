import json

import pytest

from proxy.api.raw import Raw
from proxy.api.responses.items import decode_item
from proxy.api.responses.texts import item_texts, replaced

ITEMS = [
    ({"role": "user", "content": "a"}, [(("content",), "a")]),
    (
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:,"}],
        },
        [(("content", 0, "text"), "a")],
    ),
    ({"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, [(("content", 0, "refusal"), "no")]),
    ({"type": "function_call_output", "call_id": "c", "output": "o"}, [(("output",), "o")]),
    (
        {"type": "custom_tool_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "o"}]},
        [(("output", 0, "text"), "o")],
    ),
    ({"type": "local_shell_call_output", "call_id": "c", "output": "o"}, [(("output",), "o")]),
    (
        {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "o", "stderr": ""}, {"stderr": "e"}]},
        [(("output", 0, "stdout"), "o"), (("output", 1, "stderr"), "e")],
    ),
    ({"type": "apply_patch_call_output", "call_id": "c", "output": "ok"}, [(("output",), "ok")]),
    (
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        [(("name",), "f"), (("arguments",), "{}")],
    ),
    ({"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "i"}, [(("name",), "f"), (("input",), "i")]),
    (
        {"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["ls"]}},
        [(("action", "command", 0), "ls")],
    ),
    ({"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}]}, [(("summary", 0, "text"), "t")]),
    ({"type": "web_search_call", "status": "completed", "action": {"query": "q"}}, [(("action", "query"), "q")]),
    ({"type": "item_reference", "id": "msg_1"}, []),
]


@pytest.mark.parametrize(("item", "texts"), ITEMS, ids=[str(n) for n in range(len(ITEMS))])
def test_the_texts_of_an_item_and_the_way_to_them(item, texts):
    raw = Raw(json.dumps(item).encode())
    assert item_texts(decode_item(raw, "input[0]"), raw, "input[0]") == texts
    for keys, _ in texts:
        changed = replaced(raw, [(keys, "new")])
        assert "new" in [text for _, text in item_texts(decode_item(changed, "input[0]"), changed, "input[0]")]


def test_what_is_not_replaced_stays():
    raw = Raw(
        b'{"role":"user","id":"msg_1","extra":{"deep":[1,2.5,null]},"content":[{"type":"input_text","text":"a"}]}'
    )
    whole = json.loads(bytes(replaced(raw, [(("content", 0, "text"), "b")])))
    assert whole == {
        "role": "user",
        "id": "msg_1",
        "extra": {"deep": [1, 2.5, None]},
        "content": [{"type": "input_text", "text": "b"}],
    }
