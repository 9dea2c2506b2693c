"""`python -m lakehouse` is `traffic`."""

from lakehouse.cli import main

main()
