"""What hfc 1.0.0 needs before it can be imported."""

import hashlib
import importlib.util
import logging
import os
import sys
import types

from zoneshare.hfc.messages import INTERPRETER
from zoneshare_protocols.errors import Misuse


def prepare() -> None:
    """Call before the first import of hfc. Raises Misuse in a process with another protobuf runtime."""
    if os.environ.get(INTERPRETER) != "python":
        raise Misuse(f"hfc runs in a process of its own, started with {INTERPRETER}=python")
    if importlib.util.find_spec("_sha256") is None:  # gone in Python 3.12; hfc imports it by that name
        module = types.ModuleType("_sha256")
        module.__dict__["sha256"] = hashlib.sha256
        sys.modules["_sha256"] = module
    for name in ("hfc", "aiogrpc"):  # they log every message, and every end of a stream
        logging.getLogger(name).setLevel(logging.CRITICAL)
