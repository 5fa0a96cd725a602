"""The payment application: chunks of one trade after another, each paid for when its key is acknowledged or shown."""

from zoneshare_protocols.codec import MAX_AMOUNT, decode, encode
from zoneshare_protocols.errors import BadAmount, LimitExceeded, NotNewer, RuleBroken
from zoneshare_protocols.sharing.chunkcipher import check_revealed
from zoneshare_protocols.sharing.records import MAX_WINDOW, Commitment, Payment, RevealedKey

NOTHING = Payment(earned=0, trade=b"", price=0, count=0, acked=0)


def spent(payment: Payment) -> int:
    """What the payee can get at most in this state: every chunk that A has signed for."""
    return payment.earned + payment.price * payment.count


def check_payment_step(old: Payment, new: Payment, deposit: int) -> None:
    """T_i: one chunk more, or keys acknowledged, or both; or the first chunk of the next trade.

    Raises NotNewer for anything smaller, LimitExceeded for a step too wide or over the window, RuleBroken for a trade
    that changes while keys are owed, BadAmount for a sum over the deposit.
    """
    if new.trade == old.trade:
        _check_same_trade(old, new)
    else:
        _check_next_trade(old, new)
    if new.acked > new.count:
        raise LimitExceeded("more keys acknowledged than signed for", value=new.acked, limit=new.count)
    if new.count - new.acked > MAX_WINDOW:
        raise LimitExceeded("too many keys not acknowledged", value=new.count - new.acked, limit=MAX_WINDOW)
    if spent(new) > deposit:
        raise BadAmount("the payments are over the deposit", value=spent(new), limit=deposit)


def _check_same_trade(old: Payment, new: Payment) -> None:
    if new.earned != old.earned:
        kind = NotNewer if new.earned < old.earned else RuleBroken
        raise kind("what was earned changes within a trade", version=new.earned, present=old.earned)
    if new.price != old.price:
        raise RuleBroken("the price changes within a trade", price=new.price, agreed=old.price)
    if new.count < old.count:
        raise NotNewer("fewer chunks than before", version=new.count, present=old.count)
    if new.acked < old.acked:
        raise NotNewer("fewer keys acknowledged than before", version=new.acked, present=old.acked)
    if new.count > old.count + 1:
        raise LimitExceeded("more than one chunk at a time", value=new.count, limit=old.count + 1)
    if new == old:
        raise NotNewer("nothing changes", version=new.count, present=old.count)
    if not new.trade:
        raise RuleBroken("chunks without a trade")


def _check_next_trade(old: Payment, new: Payment) -> None:
    if old.acked != old.count:
        raise RuleBroken("the last trade's keys are not all acknowledged", acked=old.acked, count=old.count)
    if len(new.trade) != 32:
        raise RuleBroken("a trade is named by the digest of its commitment", length=len(new.trade))
    if new.earned != spent(old):
        kind = NotNewer if new.earned < spent(old) else RuleBroken
        raise kind("what was earned is not taken up", version=new.earned, present=spent(old))
    if new.count != 1 or new.acked != 0:
        raise LimitExceeded("a trade starts with its first chunk", value=new.count, limit=1)
    if new.price < 1:
        raise BadAmount("a chunk for nothing", price=new.price)


class PaymentApplication:
    """The payment rules over encoded states, as a channel sees them (``application.Application``)."""

    name = "payment"

    def initial(self) -> bytes:
        return encode(NOTHING)

    def check_step(self, old: bytes, new: bytes, deposit: int) -> None:
        """See :func:`check_payment_step`."""
        check_payment_step(decode(Payment, old), decode(Payment, new), deposit)

    def check_last(self, old: bytes, new: bytes) -> None:
        """T_n: as the last T_i, but with keys acknowledged since. Raises NotNewer or RuleBroken."""
        before, after = decode(Payment, old), decode(Payment, new)
        if after.acked < before.acked:
            raise NotNewer("fewer keys acknowledged than before", version=after.acked, present=before.acked)
        same = (before.earned, before.trade, before.price, before.count)
        if same != (after.earned, after.trade, after.price, after.count) or after.acked > after.count:
            raise RuleBroken("the final state is not the last one")

    def trade(self, state: bytes) -> bytes:
        return decode(Payment, state).trade

    def admit(
        self, state: bytes, shown: tuple[RevealedKey, ...], known: tuple[RevealedKey, ...], commitment: Commitment
    ) -> tuple[RevealedKey, ...]:
        """The unbroken run of keys from ``acked`` on. Keys shown must continue in order and be below ``count``.

        Raises BadProof for a key that is not tx5's, LimitExceeded for a key out of the run.
        """
        payment = decode(Payment, state)
        for place, revealed in enumerate(shown, payment.acked):
            if revealed.leaf.index != place or place >= payment.count:
                raise LimitExceeded("not the next key that is owed", value=revealed.leaf.index, limit=payment.count)
            check_revealed(commitment, revealed)
        run = list(shown)
        at_hand = {revealed.leaf.index: revealed for revealed in known}
        while (place := payment.acked + len(run)) < payment.count and place in at_hand:
            run.append(at_hand[place])
        return tuple(run)

    def complete(self, state: bytes, shown: tuple[RevealedKey, ...]) -> bool:
        payment = decode(Payment, state)
        return payment.acked + len(shown) >= payment.count

    def outcome(
        self,
        state: bytes,
        shown: tuple[RevealedKey, ...],
        complaints: tuple[tuple[bytes, int], ...],
        deposit: int,
    ) -> int:
        """``earned + price * (acked + shown)``, at most the deposit, less the price of those found garbage."""
        payment = decode(Payment, state)
        paid = payment.acked + len(shown)
        garbage = sum(trade == payment.trade and index < paid for trade, index in complaints)
        due = min(payment.earned + payment.price * paid, deposit, MAX_AMOUNT)
        return max(due - payment.price * garbage, 0)


PAYMENT = PaymentApplication()
