"""The chaincode behind the recorded conversation, written against our stub, and some functions that only tests need."""

import json
import threading
import time
from collections.abc import Callable

from zoneshare_protocols.stub import ERROR, OK, Response, Stub, composite_key, split_composite_key

BIG = 1024 * 1024
_KEPT: list[Stub] = []
_FAILED: list[str] = []
_NEWS = threading.Condition()


class Asset:
    """As the recorded one, it answers an exception with its name and text; ``raise`` and the like do not."""

    def invoke(self, stub: Stub) -> Response:
        function, *args = (argument.decode() for argument in stub.args)
        if function in _RAW:
            return _RAW[function](stub, args)
        try:
            return Response(OK, payload=_FUNCTIONS[function](stub, args).encode())
        except Exception as failure:  # noqa: BLE001 - what the recorded chaincode does
            with _NEWS:
                _FAILED.append(type(failure).__name__)
                _NEWS.notify_all()
            return Response(ERROR, f"{type(failure).__name__}: {failure}")


def _put(stub: Stub, args: list[str]) -> str:
    stub.put_state(args[0], args[1].encode())
    return args[1]


def _putev(stub: Stub, args: list[str]) -> str:
    stub.set_event("put", json.dumps({"k": args[0], "v": args[1]}).encode())
    return _put(stub, args)


def _get(stub: Stub, args: list[str]) -> str:
    value = stub.get_state(args[0])
    if value is None:
        raise KeyError(args[0])
    return value.decode()


def _incr(stub: Stub, args: list[str]) -> str:
    value = int(stub.get_state(args[0]) or b"0") + 1
    return _put(stub, [args[0], str(value)])


def _range(stub: Stub, args: list[str]) -> str:
    page = stub.get_state_by_range(args[0], args[1])
    return json.dumps([[row.key, row.value.decode()] for row in page.items])


def _paged(stub: Stub, args: list[str]) -> str:
    page = stub.get_state_by_range(args[0], args[1], int(args[2]), args[3])
    return json.dumps([[row.key for row in page.items], page.bookmark])


def _cput(stub: Stub, args: list[str]) -> str:
    return _put(stub, [composite_key(*args[:-1]), args[-1]])


def _clist(stub: Stub, args: list[str]) -> str:
    page = stub.get_state_by_partial_composite_key(args[0], tuple(args[1:]))
    return json.dumps([[list(split_composite_key(row.key)[1]), row.value.decode()] for row in page.items])


def _cpaged(stub: Stub, args: list[str]) -> str:
    page = stub.get_state_by_partial_composite_key(args[0], (), int(args[1]), args[2])
    return json.dumps([[split_composite_key(row.key)[1][0] for row in page.items], page.bookmark])


def _tput(stub: Stub, args: list[str]) -> str:
    return _put(stub, [args[0], str(len(stub.transient["secret"]))])


def _whoami(stub: Stub, args: list[str]) -> str:
    return f"{stub.creator.mspid} {stub.channel_id} {stub.tx_id} {stub.timestamp_ms // 1000}"


def _history(stub: Stub, args: list[str]) -> str:
    return json.dumps([[change.tx_id, change.value.decode()] for change in stub.get_history_for_key(args[0])])


def _latest(stub: Stub, args: list[str]) -> str:
    """Leaves the history before its end."""
    changes = stub.get_history_for_key(args[0])
    latest = next(changes)
    changes.close()  # type: ignore[attr-defined]  # a generator, by our stub
    return latest.value.decode() + _get(stub, [args[0]])


def _delete(stub: Stub, args: list[str]) -> str:
    stub.del_state(args[0])
    return ""


def _fail(stub: Stub, args: list[str]) -> str:
    raise ValueError(args[0])


def _big(stub: Stub, args: list[str]) -> str:
    old = stub.get_state("big") or b""
    stub.put_state("big", bytes([len(old) % 251]) * BIG)
    return str(len(old))


def _page_and_put(stub: Stub, args: list[str]) -> str:
    stub.get_state_by_range("", "", 1)
    return _put(stub, ["after", "page"])


def _threads(stub: Stub, args: list[str]) -> str:
    """Reads from several threads of its own."""
    found: dict[str, str] = {}
    threads = [threading.Thread(target=lambda key=key: found.update({key: _get(stub, [key])})) for key in args]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return json.dumps(found, sort_keys=True)


def _keep(stub: Stub, args: list[str]) -> str:
    _KEPT.append(stub)
    return ""


def _use_kept(stub: Stub, args: list[str]) -> str:
    """Asks through the stub of a transaction that is over."""
    return _get(_KEPT[-1], [args[0]])


def _failed(stub: Stub, args: list[str]) -> str:
    """Waits until so many calls, of any peer, have failed with this exception."""
    with _NEWS:
        return str(_NEWS.wait_for(lambda: _FAILED.count(args[0]) >= int(args[1]), 10))


def _slow(stub: Stub, args: list[str]) -> str:
    time.sleep(float(args[0]))
    return args[0]


def _raise(stub: Stub, args: list[str]) -> Response:
    raise RuntimeError("secret words " + args[0])


def _exit(stub: Stub, args: list[str]) -> Response:
    raise SystemExit(3)


def _no_response(stub: Stub, args: list[str]) -> Response:
    return None  # type: ignore[return-value]  # what a broken chaincode does


_FUNCTIONS: dict[str, Callable[[Stub, list[str]], str]] = {
    "put": _put,
    "putev": _putev,
    "get": _get,
    "incr": _incr,
    "range": _range,
    "paged": _paged,
    "cput": _cput,
    "clist": _clist,
    "cpaged": _cpaged,
    "tput": _tput,
    "whoami": _whoami,
    "history": _history,
    "latest": _latest,
    "delete": _delete,
    "fail": _fail,
    "big": _big,
    "page_and_put": _page_and_put,
    "threads": _threads,
    "keep": _keep,
    "use_kept": _use_kept,
    "slow": _slow,
    "failed": _failed,
}
_RAW: dict[str, Callable[[Stub, list[str]], Response]] = {"raise": _raise, "exit": _exit, "none": _no_response}

if __name__ == "__main__":
    import sys

    from zoneshare_chaincode.host.command import run

    sys.exit(run(lambda settings: Asset()))
