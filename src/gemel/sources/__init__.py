"""Reading exports: one file per format, each unknown to the others."""
