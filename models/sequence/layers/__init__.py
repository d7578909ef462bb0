"""Sequence mixers (B, L, D) -> (B, L, D), causal, one a file; mixer.py is what all offer."""
