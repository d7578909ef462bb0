"""Generators of synthetic tasks: seeded, reproducible at any position, independent of models."""
