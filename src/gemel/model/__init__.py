"""Bases, adapters, the splice, likelihood, memory, card, and the twin that joins them."""
