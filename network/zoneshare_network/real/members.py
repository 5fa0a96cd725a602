"""Identities of a real network's organisations, and what other networks need to believe it."""

import socket

from zoneshare_network.members import Organisation
from zoneshare_network.network import now_ms
from zoneshare_network.pki import Role
from zoneshare_network.real.authority import CaClient
from zoneshare_network.real.material import organisations
from zoneshare_network.real.site import Mode, Site
from zoneshare_network.real.topology import Member, Node
from zoneshare_protocols.errors import Misuse, NotFound


def member(site: Site, mspid: str) -> Member:
    """The organisation; with "" the first. Raises Misuse for one there is not."""
    found = {one.mspid: one for one in site.topology.organisations}
    if mspid and mspid not in found:
        raise Misuse(f"no such organisation; there are {', '.join(found)}", org=mspid)
    return found[mspid] if mspid else site.topology.organisations[0]


def certify(site: Site, home: Member, name: str, request: bytes, role: str) -> bytes:
    """A certificate (PEM) over a signing request (PEM), by the organisation's fabric-ca.

    A native network may run without fabric-ca: then the CA's key in the network's folder signs. Raises Misuse for what
    is refused, LedgerFailed where the CA does not answer.
    """
    if role not in (Role.CLIENT, Role.ADMIN):
        raise Misuse("a role is client or admin", role=role)
    node = next(one for one in site.topology.authorities if one.mspid == home.mspid)
    if site.mode is Mode.NATIVE and not _answers(site, node):
        made: Organisation = organisations(site)[home.mspid]
        return made.enrol(name, Role(role), now_ms(), request).certificate
    return CaClient(site, node).certify(name, request, role)


def revoke(site: Site, home: Member, name: str) -> int:
    """Put all certificates of ``name`` on its organisation's revocation list, which no channel has yet; how many new.

    The organisation's fabric-ca is told; a native network may run without. Raises NotFound for a name without any,
    LedgerFailed where the CA does not answer.
    """
    made: Organisation = organisations(site)[home.mspid]
    serials = made.serials(name)
    count = len(serials)
    node = next(one for one in site.topology.authorities if one.mspid == home.mspid)
    if site.mode is not Mode.NATIVE or _answers(site, node):
        try:
            more, listed = CaClient(site, node).revoke(name)
            count, serials = count + more, serials | listed
        except NotFound:
            if not serials:
                raise
    elif not serials:
        raise NotFound(f"{home.mspid} has issued no certificate to this name", name=name)
    if serials:
        made.publish(serials, now_ms())
    return count


def _answers(site: Site, node: Node) -> bool:
    host, _, port = site.reach(node).partition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True
