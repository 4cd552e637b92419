"""gemel: a digital twin of a person from what they wrote, and how alike it is."""

__version__ = "0.1.0"
