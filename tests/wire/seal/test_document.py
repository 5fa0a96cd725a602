"""docs/seal.md: every attack has a test, and every test that is named is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
RINGS = {"R": "rules", "C": "contracts", "W": "wire"}


def attacks() -> dict[str, list[tuple[str, str, str]]]:
    """Attack -> (ring, file, test) of its row."""
    _, _, section = (ROOT / "docs/seal.md").read_text().partition("\n## Attacks withstood\n")
    rows = [line.split(" | ") for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    found = {}
    for attack, _, tests in rows:
        ring, named = "", []
        for letter, file, test in re.findall(r"\b([RCW]) |`(\w+\.py)::(\w+)`", tests):
            ring = letter or ring
            if file:
                named.append((RINGS[ring], file, test))
        found[attack] = named
    return found


def test_every_attack_names_tests_that_are_there() -> None:
    found = attacks()
    assert len(found) >= 12
    assert [attack for attack, named in found.items() if not named] == []
    for ring, file, test in {one for named in found.values() for one in named}:
        # Not parsed: CPython 3.11 counts the depth of its trees for all threads together, and others compile meanwhile.
        there = re.findall(r"^def (\w+)\(", (ROOT / "tests" / ring / "seal" / file).read_text(), re.MULTILINE)
        assert test in there, f"{ring}/{file}::{test}"
