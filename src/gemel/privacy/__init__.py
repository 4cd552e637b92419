"""Detecting and replacing what identifies people, and guarding what goes out."""
