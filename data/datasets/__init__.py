"""Loaders of data sets that come with installed packages; every one works without a network."""
