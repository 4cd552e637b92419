"""Personas, questions, grounded answers and knowledge through any speaker."""
