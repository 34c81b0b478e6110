import pytest

from proxy.tokens import IMAGE_TOKENS, item_tokens, request_tokens, text_tokens
from tests.support.asked import assistant, call, function, output, request, user

TEXT = "x" * 400


def tokens(item):
    return item_tokens(request(input=[item]).items[0])


@pytest.mark.parametrize(("text", "count"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("я" * 4, 2), ("山" * 4, 3)])
def test_four_bytes_are_a_token(text, count):
    assert text_tokens(text) == count


def test_half_a_character_is_counted_and_not_stumbled_over():
    assert text_tokens("\ud800") == 1


@pytest.mark.parametrize(
    "item",
    [
        user(TEXT),
        assistant(TEXT),
        {"role": "assistant", "content": [{"type": "refusal", "refusal": TEXT}]},
        output("1", TEXT),
        output("1", [{"type": "input_text", "text": TEXT}]),
        call("1", "", TEXT),
        {"type": "custom_tool_call", "call_id": "1", "name": "", "input": TEXT},
        {"type": "local_shell_call_output", "call_id": "1", "output": TEXT},
        {"type": "apply_patch_call_output", "call_id": "1", "output": TEXT},
        {"type": "shell_call_output", "call_id": "1", "output": [{"stdout": TEXT[:200], "stderr": TEXT[200:]}]},
    ],
)
def test_every_text_counts(item):
    assert tokens(item) == 104


@pytest.mark.parametrize(
    "item",
    [
        {"type": "shell_call", "call_id": "1", "action": {"commands": [TEXT]}},
        {"type": "local_shell_call", "call_id": "1", "action": {"command": [TEXT]}},
        {"type": "apply_patch_call", "call_id": "1", "operation": {"type": "update_file", "diff": TEXT}},
        {"type": "tool_search_call", "call_id": "1", "arguments": {"query": TEXT}},
        {"type": "tool_search_output", "call_id": "1", "tools": [{"type": "function", "name": TEXT}]},
        {"type": "additional_tools", "role": "developer", "tools": [{"type": "function", "name": TEXT}]},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": TEXT}]},
        {"type": "compaction", "encrypted_content": TEXT + "x" * 133},
    ],
)
def test_what_else_a_model_reads_counts_by_its_length(item):
    assert 99 <= tokens(item) <= 120


def test_what_no_model_reads_is_nothing():
    assert tokens({"type": "web_search_call", "id": "ws_1"}) == 0
    assert tokens({"type": "reasoning", "summary": [{"type": "summary_text", "text": TEXT}]}) == 0


def test_an_image_is_a_flat_figure_however_long_its_address():
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 10_000}
    assert tokens(user([image, {"type": "input_text", "text": TEXT}])) == 4 + IMAGE_TOKENS + 100
    image["image_url"] = "data:image/svg+xml;utf8,<svg>" + "x" * 10_000
    assert tokens(user([image])) == 4 + IMAGE_TOKENS


def test_a_file_of_text_counts_as_text_and_others_flat():
    text = {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64," + "A" * 5310}
    other = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64," + "A" * 5310}
    assert tokens(user([text])) == pytest.approx(1004, abs=8)
    assert tokens(user([other])) == 4 + IMAGE_TOKENS


def test_a_request_is_all_that_is_read():
    bare = request_tokens(request(input=TEXT))
    assert bare == 3 + 104
    assert request_tokens(request(input=TEXT, instructions=TEXT)) == bare + 104
    tools = [function("f", description=TEXT)]
    assert request_tokens(request(input=TEXT, tools=tools)) > bare + 100
    form = {"format": {"type": "json_schema", "name": "n", "schema": {"title": TEXT}}}
    assert request_tokens(request(input=TEXT, text=form)) > bare + 100
