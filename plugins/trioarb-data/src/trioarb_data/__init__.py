"""Recorded quotes: import them, look at them, check them, and see what replays keep of them."""
