from contextlib import closing

from bench.answers import chunk, frame
from bench.way import Way
from proxy.api.responses.encoder import ResponsesEncoder
from proxy.api.responses.snapshot import Snapshot


def test_reads_go_the_whole_way_into_the_encoder():
    encoder = ResponsesEncoder(Snapshot({}, response_id="resp_1", created_at=1, model="m"))
    encoder.begin()
    with closing(Way()) as way:
        way.prepare(encoder, [frame(chunk(text)) for text in (" one", " two")])()
        assert encoder.output_chars() == len("@ one two")
