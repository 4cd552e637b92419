"""Learning the voice: batches, one loop, checkpoints."""
