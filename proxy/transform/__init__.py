"""What the stage `transform` is made of: its conditions, and the changes to requests, headers and answers."""
