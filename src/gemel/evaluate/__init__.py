"""Measuring likeness, each number with its floor, ceiling and interval."""
