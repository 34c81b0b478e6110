"""What upstreams speak: one folder a provider."""
