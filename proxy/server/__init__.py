"""The HTTP server: connections, request bodies, routes, the client's side of a stream."""
