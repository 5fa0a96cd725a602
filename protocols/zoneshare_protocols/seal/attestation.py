"""Whose word counts for an enclave: a zone's rules for auctions, and the chain from a quote up to a platform's root."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from zoneshare_protocols.errors import BadProof, Malformed, NotAllowed, NotNewer, TooEarly, TooLate
from zoneshare_protocols.fabric import chain
from zoneshare_protocols.fabric.identity import certificate
from zoneshare_protocols.seal.bids import check_quote
from zoneshare_protocols.seal.development import KEYS
from zoneshare_protocols.seal.ledger import Opening, PlatformRoot, ProofKey, SealZone
from zoneshare_protocols.seal.recompute import jobs_of
from zoneshare_protocols.seal.results import check_recipient


def check_zone(new: SealZone, present: SealZone | None, zone: str) -> None:
    """Raises Malformed for another zone, no program, no platform, a root that is no CA or a development key that is not
    called unsafe; NotNewer unless the version is the next one; NotAllowed for a production profile with simulated
    platforms or unsafe keys."""
    before = 0 if present is None else present.version
    if new.zone != zone:
        raise Malformed("these are the rules of another zone", zone=new.zone, here=zone)
    if new.version != before + 1:
        raise NotNewer("the version must be the next one", version=new.version, present=before)
    if not new.measurements or not new.platforms:
        raise Malformed("auctions need a program and a platform", programs=len(new.measurements))
    for root in new.platforms:
        if not chain.is_ca(certificate(root.certificate)):
            raise Malformed("a platform's root is a CA's certificate")
        if root.simulated and new.production:
            raise NotAllowed("a production zone takes no simulated platform", simulated=True)
    for key in new.proof_keys:
        if key.hash in KEYS and not key.unsafe:
            raise Malformed("a development key is unsafe", circuit=key.circuit)
        if key.unsafe and new.production:
            raise NotAllowed("a production zone takes no unsafe proving key", circuit=key.circuit)


def check_proof_key(zone: SealZone, hash: bytes) -> ProofKey:
    """The allowed verifying key of this hash. Raises NotAllowed."""
    found = next((key for key in zone.proof_keys if key.hash == hash), None)
    if found is None:
        raise NotAllowed("the zone does not allow this proving key", hash=hash.hex())
    return found


def check_opening(opening: Opening, zone: SealZone, now: int, *, opened: int | None = None, tolerance: int = 0) -> None:
    """What the contract and every bidder check of an auction's enclave (local consensus), at ``now`` in ms.

    ``opened``: when the auction opened, once it has; the quote's age counts to then. ``tolerance``: how far (ms) the
    platform's clock may be ahead. Raises NotAllowed for a program or platform that the zone does not allow; TooLate,
    TooEarly for a certificate or a quote out of its time, also where it ends before T_auc; BadProof for a quote of
    another program or auction, or one that says it is not simulated; BadSignature; Malformed.
    """
    notice, quote = opening.notice, opening.quote.quote
    jobs_of(notice, ())
    if notice.results_key is not None:
        check_recipient(notice.results_key)
    if notice.measurement not in zone.measurements:
        raise NotAllowed("the zone does not allow this program", measurement=notice.measurement.hex())
    key, root = attestation_key(opening.chain, zone.platforms, now, notice.timers.auction)
    if root.simulated != quote.simulated:
        raise BadProof("the quote and its platform differ in what is simulated", simulated=quote.simulated)
    moment = now if opened is None else opened
    if moment < quote.made <= moment + tolerance:
        moment = quote.made
    check_quote(opening.quote, notice, key, moment, zone.quote_age, allow_simulated=not zone.production)


def attestation_key(
    certificates: Sequence[bytes], roots: Sequence[PlatformRoot], now: int, until: int
) -> tuple[bytes, PlatformRoot]:
    """The Ed25519 key of the first certificate (PEM), and the root that vouches for it from ``now`` to ``until`` (ms).

    Raises Malformed, NotAllowed for an unknown platform, TooLate, TooEarly.
    """
    leaf, *between = [certificate(pem) for pem in certificates]
    known = [certificate(root.certificate) for root in roots]
    found = chain.build(leaf, known, between)
    for one in found:
        begins, ends = _ms(one.not_valid_before_utc.timestamp()), _ms(one.not_valid_after_utc.timestamp())
        if now > ends:
            raise TooLate("the platform's certificate has expired", now=now, until=ends)
        if until > ends:
            raise TooLate("the platform's certificate expires before the auction is over", now=until, until=ends)
        if now < begins:
            raise TooEarly("the platform's certificate is not yet valid", now=now, from_=begins)
    key = leaf.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise Malformed("an attestation key is an Ed25519 key")
    return key.public_bytes_raw(), roots[known.index(found[-1])]


def _ms(seconds: float) -> int:
    return int(seconds) * 1000
