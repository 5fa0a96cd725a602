"""Every test that docs/sharing.md names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_sentence_has_its_test() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "sharing.md").read_text())
    assert len(named) >= 16
    for file, test in named:
        text = (ROOT / file).read_text()
        assert re.search(rf"^(def {test}\(|{test} = )", text, re.MULTILINE), f"{file}::{test}"
