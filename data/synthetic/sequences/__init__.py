"""Synthetic sequence tasks: seeded generators of inputs and targets.

examples.py what they make, problems.py their settings and names; then one family a module.
"""
