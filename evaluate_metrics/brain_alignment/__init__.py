"""Normalised brain alignment, an `evaluate` metric that is also a Space."""
