"""Rules on what goes in and what comes out: what looks for words and forms here, and what asks others."""
