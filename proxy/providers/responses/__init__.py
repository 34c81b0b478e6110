"""The wire of upstreams that speak the Responses API."""
