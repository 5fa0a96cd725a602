"""The image's recipe, as far as it can be checked without Docker."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "chaincode/Dockerfile").read_text()


def closure(name: str, found: set[str]) -> set[str]:
    """Everything that installing ``name`` installs."""
    if name not in found:
        found.add(name)
        for text in requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                closure(canonicalize_name(requirement.name), found)
    return found


def listed() -> set[str]:
    found = re.search(r'^ARG PACKAGES="(.*)"$', DOCKERFILE, re.MULTILINE)
    assert found
    return set(found.group(1).split())


def test_the_image_installs_all_that_the_contracts_import() -> None:
    code = "import sys, zoneshare_chaincode.host.server, zoneshare_chaincode.deploy; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    packages = packages_distributions()
    # Several distributions may share a folder ("google"): one of them is enough.
    used = [{canonicalize_name(n) for n in packages.get(module.partition(".")[0], [])} for module in modules]
    assert {"grpcio"} in used
    ours = {"zoneshare-chaincode", "zoneshare-protocols"}
    assert [names for names in used if names and not names & (listed() | ours)] == []


def test_what_the_image_installs_is_whole_and_pinned() -> None:
    needed: set[str] = set()
    for name in listed():
        closure(name, needed)
    assert listed() == needed
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert listed() <= set(locked)


def test_the_image_is_pinned_and_not_root() -> None:
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert images
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", image) for image in images)
    assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", DOCKERFILE, re.MULTILINE)
