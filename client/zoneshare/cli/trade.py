"""``zoneshare seller``, ``zoneshare buy``, ``zoneshare watchtower`` and ``zoneshare channel close``."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from zoneshare.cli import trade_roles as roles
from zoneshare.cli.channel import app as channels
from zoneshare.cli.common import Json, columns, device_folder, emit, working
from zoneshare.cli.device import Name
from zoneshare.cli.trade_show import break_off, buying, reading
from zoneshare_protocols.codec import MAX_AMOUNT
from zoneshare_protocols.errors import Misuse

sellers = typer.Typer(
    no_args_is_help=True,
    help="Sell files, chunk by chunk.",
    epilog="Example: zoneshare seller serve bob data.bin --price 5",
)
towers = typer.Typer(
    no_args_is_help=True,
    help="Answer old states for sellers that sleep.",
    epilog="Example: zoneshare watchtower serve carol --port 7401",
)

Store = Annotated[
    str,
    typer.Option("--store", metavar="WHERE", help="A folder, or kubo's RPC (http://…). Default: .store beside DEVICE."),
]
Price = Annotated[int, typer.Option("--price", metavar="AMOUNT", help="For one chunk.")]
ChunkSize = Annotated[int, typer.Option("--chunk-size", metavar="BYTES", help="At most 1 MiB less 16 bytes.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Where to listen; 0: a free port.")]
DEFAULT_CHUNK = 100_000
LONGEST_S = 10 * 365 * 24 * 3600


def register(root: typer.Typer) -> None:
    """Add the commands to the root app."""
    root.add_typer(sellers, name="seller")
    root.add_typer(towers, name="watchtower")
    root.command("buy")(buy)


@sellers.command()
def add(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to sell.")],
    price: Price = 1,
    chunk_size: ChunkSize = DEFAULT_CHUNK,
    as_json: Json = False,
) -> None:
    """Offer a file: prints D, the name under which it is sold. A seller that serves offers it at once.

    Example: zoneshare seller add bob data.bin --price 5
    """
    with roles.catalogue(device_folder(name)) as catalogue, reading(file) as progress:
        item = catalogue.add(file, price, chunk_size, progress)
    value = {"data": item.data, "name": item.name, "size": item.size, "chunks": len(item.hashes), "price": item.price}
    emit(value, as_json, f"{item.name}: {len(item.hashes)} chunks at {item.price}, D = {item.data.hex()}")


@sellers.command("list")
def list_(name: Name, as_json: Json = False) -> None:
    """What a device offers.

    Example: zoneshare seller list bob
    """
    with roles.catalogue(device_folder(name)) as catalogue:
        items = catalogue.items()
    rows = [(item.data.hex(), item.name, item.size, len(item.hashes), item.price) for item in items]
    heads = ("data", "name", "size", "chunks", "price")
    text = columns(heads, rows) if rows else f"{name} offers nothing"
    emit([dict(zip(heads, row, strict=True)) for row in rows], as_json, text)


@sellers.command()
def remove(
    name: Name,
    data: Annotated[str, typer.Argument(metavar="D", help="What to offer no more, as zoneshare seller list shows it.")],
    as_json: Json = False,
) -> None:
    """Offer a file no more. Purchases under way go on.

    Example: zoneshare seller remove bob 3f9a…
    """
    with roles.catalogue(device_folder(name)) as catalogue:
        item = catalogue.remove(roles.parse_data(data))
    emit({"data": item.data, "name": item.name}, as_json, f"{item.name} is offered no more")


@sellers.command("serve")
def serve_(
    name: Name,
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]…", help="Files to offer first.")] = None,
    *,
    price: Price = 1,
    chunk_size: ChunkSize = DEFAULT_CHUNK,
    bond: Annotated[int, typer.Option(min=0, max=MAX_AMOUNT, help="Locked for every trade, and lost for garbage.")] = 0,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Port = 7400,
    store: Store = "",
    min_challenge: Annotated[
        int, typer.Option(min=1, max=LONGEST_S, metavar="SECONDS", help="The shortest challenge window it agrees to.")
    ] = 10,
    max_lock: Annotated[
        int, typer.Option(min=1, max=LONGEST_S, metavar="SECONDS", help="The longest its earnings may be locked.")
    ] = 24 * 3600,
    watchtower: Annotated[str, typer.Option(metavar="HOST:PORT", help="Hand it every newest state.")] = "",
    as_json: Json = False,
) -> None:
    """Sell until Ctrl-C. Open channels are guarded meanwhile, and taken up again at the next start.

    Example: zoneshare seller serve bob data.bin --price 5 --port 7400
    """
    folder, fresh = device_folder(name), []
    with roles.catalogue(folder) as catalogue:
        for file in dict.fromkeys(files or ()):
            with reading(file) as progress:
                fresh.append(catalogue.read(file, price, chunk_size, progress))
    options = roles.Serving(
        host=host,
        port=port,
        store=store,
        bond=bond,
        min_challenge=min_challenge,
        max_lock=max_lock,
        watchtower=watchtower,
    )

    def ready(listening: int) -> None:
        # Only now, so that a seller that cannot serve offers nothing new.
        with roles.catalogue(folder) as catalogue:
            catalogue.offer(*fresh)
            items = catalogue.items()
        offers = [{"data": item.data, "name": item.name, "price": item.price} for item in items]
        lines = [f"{name} sells on {host}:{listening} (Ctrl-C ends it)"]
        lines += [
            f"  {item.name}: zoneshare buy DEVICE {item.data.hex()} --from {host}:{listening} --max-price {item.price}"
            for item in items
        ]
        emit({"host": host, "port": listening, "offers": offers}, as_json, "\n".join(lines))

    def told(line: str) -> None:
        if not as_json:
            typer.echo(line)

    asyncio.run(roles.sell(folder, options, ready, told))


@towers.command("serve")
def watch(
    name: Name,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Port = 7401,
    as_json: Json = False,
) -> None:
    """Hold the newest states of other devices' channels, and answer older ones, until Ctrl-C.

    Example: zoneshare watchtower serve carol --port 7401
    """

    def ready(listening: int) -> None:
        emit({"host": host, "port": listening}, as_json, f"{name} watches on {host}:{listening} (Ctrl-C ends it)")

    asyncio.run(roles.watch(device_folder(name), host, port, ready))


def buy(
    context: typer.Context,
    name: Name,
    data: Annotated[str, typer.Argument(metavar="D", help="What to buy: 64 hex digits, as the seller shows them.")],
    seller: Annotated[str, typer.Option("--from", metavar="HOST:PORT", help="Where the seller listens.")],
    max_price: Annotated[
        int, typer.Option("--max-price", min=1, max=MAX_AMOUNT, metavar="AMOUNT", help="For one chunk, at most.")
    ],
    *,
    max_total: Annotated[
        int | None, typer.Option("--max-total", min=1, max=MAX_AMOUNT, metavar="AMOUNT", help="For the file, at most.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Default: the file's name, here.")] = None,
    deposit: Annotated[
        int | None, typer.Option(min=1, max=MAX_AMOUNT, help="Of a new channel. Default: what this file costs.")
    ] = None,
    lock: Annotated[
        int,
        typer.Option(
            min=1, max=LONGEST_S, metavar="SECONDS", help="Of a new channel: when you can take back what is left."
        ),
    ] = 3600,
    challenge: Annotated[
        int, typer.Option(min=1, max=LONGEST_S, metavar="SECONDS", help="Of a new channel: its window.")
    ] = 60,
    window: Annotated[int, typer.Option(min=1, max=64, help="Chunks under way.")] = 16,
    store: Store = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the channel open for more files.")] = False,
    as_json: Json = False,
) -> None:
    """Buy a file, chunk by chunk, and settle. Run it again after a break: it goes on where it stopped.

    Example: zoneshare buy alice 3f9a… --from 127.0.0.1:7400 --max-price 5
    """
    terms = roles.Buying(
        deposit=deposit,
        max_price=max_price,
        max_total=max_total,
        lock=lock,
        challenge=challenge,
        window=window,
        store=store,
        keep=keep,
    )
    stakes: list[roles.Stake] = []
    try:
        with buying(stakes) as shown:
            address = roles.parse_address(seller)
            work = roles.buy(device_folder(name), roles.parse_data(data), address, out=out, terms=terms, shown=shown)
            bought = asyncio.run(work)
    except (Exception, KeyboardInterrupt) as error:
        if not stakes:
            raise
        break_off(name, error, stakes, bool(context.find_root().params.get("debug")))
    receipt, settled = bought
    value = {
        "path": receipt.path,
        "channel": receipt.channel,
        "trade": receipt.trade,
        "chunks": receipt.chunks,
        "price": receipt.price,
        "paid": receipt.chunks * receipt.price,
        "settled": settled is not None,
        "returned": 0 if settled is None else settled.returned,
    }
    text = f"{receipt.path}: {receipt.chunks} chunks at {receipt.price}, {value['paid']} paid"
    if settled is None:
        text += f"; channel {receipt.channel} stays open"
    else:
        text += f"; settled, {settled.returned} of the deposit came home"
    emit(value, as_json, text)


@channels.command()
def close(
    name: Name,
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Its id, as zoneshare channel list shows it.")],
    alone: Annotated[bool, typer.Option("--alone", help="Do not ask the seller; waits for the state's lock.")] = False,
    store: Store = "",
    as_json: Json = False,
) -> None:
    """Close a channel that the device pays in: with the seller if it answers, else alone, which takes its time.

    Example: zoneshare channel close alice 5f0c…
    """
    if len(channel) != 64:
        raise Misuse("a channel's id is 64 hex digits", given=channel[:80])
    with working("closing"):
        settled = asyncio.run(roles.close(device_folder(name), channel, store, alone))
    value = {"channel": channel, "paid": settled.paid, "returned": settled.returned}
    emit(value, as_json, f"settled: {settled.paid} to the seller, {settled.returned} came home")
