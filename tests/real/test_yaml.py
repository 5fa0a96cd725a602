"""The YAML we write, read back by a reader of its own that knows just the same part of the language."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_network.real.yaml import dump

SCALARS = st.one_of(
    st.booleans(), st.integers(-(10**9), 10**9), st.text(max_size=20), st.sampled_from(["yes", "1", ""])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.dictionaries(st.text(min_size=1, max_size=8), inner, min_size=1, max_size=4),
        st.lists(st.one_of(SCALARS, st.dictionaries(st.text(max_size=5), SCALARS, min_size=1, max_size=3)), max_size=4),
    ),
    max_leaves=12,
)


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines = [((len(line) - len(line.lstrip())), line.strip()) for line in text.split("\n") if line.strip()]
        self.at = 0

    def mapping(self, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        while self.at < len(self.lines) and self.lines[self.at][0] == depth and self.lines[self.at][1] != "-":
            key, rest = _key(self.lines[self.at][1])
            self.at += 1
            found[key] = self.value(rest, depth)
        return found

    def value(self, rest: str, depth: int) -> object:
        if rest:
            return json.loads(rest) if rest[0] in '"[{-0123456789' or rest in ("true", "false") else rest
        if self.lines[self.at][1].startswith("- "):
            return self.sequence(depth + 2)
        return self.mapping(depth + 2)

    def sequence(self, depth: int) -> list[object]:
        found: list[object] = []
        while self.at < len(self.lines) and self.lines[self.at][0] == depth and self.lines[self.at][1].startswith("- "):
            rest = self.lines[self.at][1][2:]
            if _is_key(rest):
                self.lines[self.at] = (depth + 2, rest)
                found.append(self.mapping(depth + 2))
            else:
                self.at += 1
                found.append(self.value(rest, depth))
        return found


def _key(line: str) -> tuple[str, str]:
    if line.startswith('"'):
        key, end = json.JSONDecoder().raw_decode(line)
        return key, line[end + 1 :].strip()
    key, _, rest = line.partition(":")
    return key, rest.strip()


def _is_key(line: str) -> bool:
    if line.startswith('"'):
        end = json.JSONDecoder().raw_decode(line)[1]
        return line[end : end + 1] == ":"
    return ":" in line


@given(st.dictionaries(st.text(min_size=1, max_size=8), VALUES, min_size=1, max_size=4))
def test_what_is_written_is_read(value: dict[str, object]) -> None:
    assert _Reader(dump(value)).mapping(0) == value


def test_texts_that_mean_something_else_are_quoted() -> None:
    written = dump({"a": "yes", "b": "no", "c": "1", "d": "a: b", "e": "null", "f": "plain/path", "on": "x"})
    assert written == 'a: "yes"\nb: "no"\nc: "1"\nd: "a: b"\ne: "null"\nf: plain/path\n"on": x\n'


def test_other_kinds_are_refused() -> None:
    with pytest.raises(TypeError, match="float"):
        dump({"a": 1.5})
