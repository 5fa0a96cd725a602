"""Writing YAML: mappings, lists, texts, numbers and truth values, as compose and Fabric's configurations have them."""

import json
import re
from collections.abc import Mapping, Sequence

_PLAIN = re.compile(r"^[A-Za-z/.][A-Za-z0-9_./-]*$")
_OTHER_MEANING = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", ".inf", ".nan"}


def dump(value: Mapping[str, object]) -> str:
    """A YAML document, ended by a line feed. Raises TypeError for a value of another kind."""
    return "\n".join(_mapping(value, "")) + "\n"


def _mapping(value: Mapping[str, object], indent: str) -> list[str]:
    lines: list[str] = []
    for key, item in value.items():
        lines += _item(f"{indent}{_text(key)}:", item, indent)
    return lines


def _item(start: str, item: object, indent: str) -> list[str]:
    if isinstance(item, Mapping):
        return [start, *_mapping(item, indent + "  ")] if item else [f"{start} {{}}"]
    if isinstance(item, Sequence) and not isinstance(item, str):
        return [start, *(line for one in item for line in _element(one, indent + "  "))] if item else [f"{start} []"]
    return [f"{start} {_scalar(item)}"]


def _element(item: object, indent: str) -> list[str]:
    if isinstance(item, Mapping):
        lines = _mapping(item, indent + "  ")
        return [f"{indent}- {lines[0].lstrip()}", *lines[1:]]
    return [f"{indent}- {_scalar(item)}"]


def _scalar(item: object) -> str:
    if isinstance(item, bool | int):
        return json.dumps(item)
    if isinstance(item, str):
        return _text(item)
    raise TypeError(f"YAML is not written for {type(item).__name__}")


def _text(item: str) -> str:
    """JSON's texts are YAML's; plain where nothing but a text can be meant."""
    return item if _PLAIN.fullmatch(item) and item.lower() not in _OTHER_MEANING else json.dumps(item)
