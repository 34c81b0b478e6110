"""What clients speak: one folder a dialect."""
