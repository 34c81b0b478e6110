"""The Responses API: requests, the encoder of its event stream, its objects."""
