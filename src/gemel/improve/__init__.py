"""Deciding whether a change is a gain: pure functions over scores and feedback."""
