"""What a round sends: a workload prepares its accounts, then does numbered transactions, each made from the seed."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from random import Random
from runpy import run_path
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

from zoneshare_benchmarks.runner.rates import Seat
from zoneshare_benchmarks.runner.site import Site
from zoneshare_protocols.errors import Misuse

OWN = ("transfer", "query", "empty", "channel", "auction", "mining", "mixed")


class Setting(NamedTuple):
    """What a workload is made from. ``base``: where relative paths start."""

    site: Site
    seat: Seat
    seed: int
    label: str
    base: Path

    def rng(self, number: int) -> Random:
        """The same for the same seed, round and transaction, whichever thread or worker sends it."""
        return Random(f"{self.seed}/{self.label}/{number}")


class Workload(Protocol):
    """``prepare`` runs before the round's clock starts; ``transact`` from many threads. They raise what refuses."""

    def prepare(self) -> None: ...
    def transact(self, number: int) -> None: ...


class Maker(Protocol):
    """A module's ``make``. It takes out of ``arguments`` what it knows; what is left is refused."""

    def __call__(self, setting: Setting, arguments: dict[str, Any]) -> Workload: ...


def make(module: str, arguments: Mapping[str, Any], setting: Setting) -> Workload:
    """A workload of ours by name, or a Python file's ``make``. Raises Misuse."""
    taken = dict(arguments)
    made = _maker(module, setting)(setting, taken)
    if taken:
        raise Misuse(f"the workload {module} has no argument {next(iter(taken))!r}", round=setting.label)
    return made


def _maker(module: str, setting: Setting) -> Maker:
    found: Any
    if module in OWN:
        found = import_module(f"{__name__}.{module}")
    elif module.endswith(".py"):
        path = setting.base / module
        if not path.is_file():
            raise Misuse(f"the workload {path} cannot be read", round=setting.label)
        try:
            # Not imported: a compiled copy is taken for the file's own when both are of the same second.
            found = SimpleNamespace(**run_path(str(path), run_name=path.stem))
        except Exception as cause:
            raise Misuse(f"the workload {path} does not load: {type(cause).__name__}: {cause}") from cause
    else:
        other = "; JavaScript runs in Caliper only, --module FILE.js=OURS puts one of ours in its place"
        hint = other if module.endswith(".js") else ""
        raise Misuse(f"no workload is called {module!r}; there are {', '.join(OWN)}, or FILE.py{hint}")
    maker = getattr(found, "make", None)
    if maker is None:
        raise Misuse(f"the workload {module} has no function make(setting, arguments)", round=setting.label)
    taken: Maker = maker
    return taken


def number(arguments: dict[str, Any], name: str, default: int, least: int = 1) -> int:
    """Take a whole number out of the arguments. Raises Misuse."""
    value = arguments.pop(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Misuse(f"{name} is a whole number, at least {least}: {value!r}")
    return value


def zone(arguments: dict[str, Any], setting: Setting, name: str = "zone", position: int = 0) -> str:
    """Take a zone out of the arguments; by default the site's zone at ``position``. Raises Misuse."""
    known = setting.site.zones
    value = arguments.pop(name, known[position % len(known)])
    if value not in known:
        raise Misuse(f"no zone is called {value!r}; there are {', '.join(known)}")
    return str(value)
