"""``python -m zoneshare_network.real``: prepare and setup, in the set-up container."""

import sys

from zoneshare_network.real.cli import main

sys.exit(main())
