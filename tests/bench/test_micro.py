from contextlib import closing

import msgspec

from bench.micro import arguments_chunk, call_chunk, operations, reasoning_chunk, text_chunk
from bench.way import Way


def test_every_operation_runs():
    with closing(Way()) as way:
        found = operations(way)
        for operation in found:
            operation.prepare()()
    assert len({operation.name for operation in found}) == len(found) > 20
    assert any(operation.name == "translator, text delta" for operation in found)


def test_the_chunks_are_what_their_names_say():
    deltas = [
        msgspec.json.decode(one[6:])["choices"][0]["delta"]
        for one in (text_chunk(3), reasoning_chunk(3), arguments_chunk(3), call_chunk())
    ]
    assert [list(delta) for delta in deltas] == [["content"], ["reasoning_content"], ["tool_calls"], ["tool_calls"]]
    assert len(text_chunk(3)) == 290
