"""What Prometheus is told: counted in the workers while they work, put together when it asks."""
