"""``python -m zoneshare_benchmarks.runner.network …``: ``zoneshare network up …`` that ends with its parent."""

import sys

from zoneshare.cli.main import run
from zoneshare_benchmarks.runner.lifeline import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    sys.exit(run(["network", "up", *sys.argv[1:]]))
