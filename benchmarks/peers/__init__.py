"""What others offer for the same: each from its published package, in its own environment, behind its own server."""
