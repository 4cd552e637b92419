"""From records to examples: who is who, sessions, windows, slices, essays, splits, the portrait."""
