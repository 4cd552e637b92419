"""`python -m gemel` is the same as `gemel`."""

from gemel.cli import main

main()
