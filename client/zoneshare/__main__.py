"""``python -m zoneshare`` is the command ``zoneshare``."""

from zoneshare.cli.main import main

main()
