"""``python -m zoneshare_network.real``: the one-shot services of docker-compose.yaml."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from zoneshare_network.real import operate, package, site
from zoneshare_network.real.site import Mode
from zoneshare_protocols.errors import Misuse, ZoneshareError


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 after one clear line for what failed."""
    parser = argparse.ArgumentParser(prog="zoneshare_network.real", description=__doc__)
    parser.add_argument("task", choices=("prepare", "setup"))
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--topology", type=Path, required=True)
    asked = parser.parse_args(arguments)
    try:
        _as_owner_of(asked.dir)
        place = operate.prepare(operate.read(asked.topology), Mode.COMPOSE, asked.dir)
        if asked.task == "setup":
            operate.set_up(site.load(asked.dir, inside=True), _say)
        _say(f"{asked.task}: done; chaincode {package.package_id(place)}")
    except ZoneshareError as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


def _as_owner_of(folder: Path) -> None:
    """In a container this starts as root: what it makes must belong to whoever mounted the folder. Raises Misuse."""
    if os.geteuid() != 0:
        return
    try:
        owner = folder.stat()
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
    except OSError as cause:
        raise Misuse(f"{folder}: cannot go on as its owner: {cause.strerror}") from cause


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
