"""Auctions along the drone's route: what is left of battery, deposit and tasks goes on to the next location."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from zoneshare_protocols.errors import LimitExceeded
from zoneshare_protocols.seal.auction import by_urgency, run
from zoneshare_protocols.seal.delay import serving_time
from zoneshare_protocols.seal.deposits import covered
from zoneshare_protocols.seal.energy import deficit_terms, next_deficit, tasks_energy, within_battery
from zoneshare_protocols.seal.records import Bidder, Outcome, Task, Terms


@dataclass(frozen=True)
class Location:
    """A stop. Task ids are the route's, each used once."""

    tasks: tuple[Task, ...]
    flight_energy: int
    """Of the way to the next stop, mJ; of the last, the way home."""
    flight_time: int
    """ms."""


@dataclass(frozen=True)
class Left:
    """What the drone arrives with."""

    battery: int
    """mJ."""
    deposit: int
    """Of D_u, Q included; the cloud is not paid out of it."""
    deficit: int = 0
    """mJ over the average budget (footnote 4)."""
    tasks: tuple[Task, ...] = ()
    """Nobody took them where they came up; what remains of their deadlines is in them."""


@dataclass(frozen=True)
class Stop:
    """What happened at a location."""

    tasks: tuple[Task, ...]
    """Auctioned: what battery and deposit were enough for."""
    terms: Terms
    outcome: Outcome
    energy: int
    """E_l (17), mJ, propulsion included."""
    time: int
    """Tasks and flight, ms."""
    left: Left
    lost: tuple[int, ...]
    """Tasks whose deadline ends on the way, or ended here."""


def auctioned(here: Location, ahead: Sequence[Location], left: Left, terms: Terms) -> list[Task]:
    """The tasks to put up at ``here``, most urgent first, its own and those carried along.

    Battery for the rest of the flight is kept back, so that no bid can strand the drone. Raises LimitExceeded when the
    battery is not enough for the flight alone.
    """
    flying = here.flight_energy + sum(stop.flight_energy for stop in ahead)
    if flying > left.battery:
        raise LimitExceeded("the battery is not enough for the way", value=flying, limit=left.battery)
    kept = within_battery((*left.tasks, *here.tasks), terms, left.battery - flying)
    return covered(kept, terms, left.deposit)


def stop_terms(terms: Terms, left: Left, control: int | None) -> Terms:
    """The terms at a stop: weighed by the energy deficit if ``control`` (V) is given, as they are if not."""
    return terms if control is None else deficit_terms(terms, left.deficit, control)


def visit(
    here: Location,
    ahead: Sequence[Location],
    left: Left,
    bidders: Iterable[Bidder],
    terms: Terms,
    *,
    average: int = 0,
    control: int | None = None,
) -> Stop:
    """One location's auction, and what is left after it and after the flight.

    ``average``: the energy budget of a location, mJ, and ``control`` V, for the variant with the energy deficit.
    Raises LimitExceeded as :func:`auctioned`, Malformed as :func:`.auction.run`.
    """
    crowd = list(bidders)
    weighed = stop_terms(terms, left, control)
    tasks = auctioned(here, ahead, left, weighed)
    outcome = run(tasks, crowd, weighed)
    energy = tasks_energy(tasks, crowd, outcome, weighed)
    return depart(here, left, tasks, weighed, outcome, energy=energy, average=average)


def depart(
    here: Location,
    left: Left,
    tasks: Sequence[Task],
    terms: Terms,
    outcome: Outcome,
    *,
    energy: int,
    average: int = 0,
    undone: Collection[int] = (),
) -> Stop:
    """What is left after a location's auction and the flight. ``energy``: of its tasks, mJ.

    ``tasks``: those that were put up; ``undone``: those of them that were sold and not done, which go on as well.
    """
    spent = energy + here.flight_energy
    time = serving_time(tasks, outcome, terms) + here.flight_time
    done = {task.id for task in tasks} - {*outcome.dropped, *undone}
    waiting = [task for task in (*left.tasks, *here.tasks) if task.id not in done]
    carried = tuple(
        replace(task, deadline=task.deadline - time) for task in by_urgency(waiting) if task.deadline > time
    )
    after = Left(
        left.battery - spent,
        left.deposit - outcome.paid,
        next_deficit(left.deficit, spent, average),
        carried,
    )
    lost = tuple(sorted(task.id for task in waiting if task.deadline <= time))
    return Stop(tuple(tasks), terms, outcome, spent, time, after, lost)


def fly(
    route: Sequence[Location],
    left: Left,
    bidders: Callable[[int, Sequence[Task]], Iterable[Bidder]],
    terms: Terms,
    *,
    control: int | None = None,
) -> list[Stop]:
    """The whole route. ``bidders``: who bids at a location (by its number), given the tasks put up there.

    The average budget is the battery over the number of locations. Raises as :func:`visit`.
    """
    stops: list[Stop] = []
    average = left.battery // max(1, len(route))
    for number, here in enumerate(route):
        ahead = route[number + 1 :]
        put_up = auctioned(here, ahead, left, stop_terms(terms, left, control))
        stop = visit(here, ahead, left, bidders(number, put_up), terms, average=average, control=control)
        stops.append(stop)
        left = stop.left
    return stops
