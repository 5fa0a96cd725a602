"""What the two-layer paper reports, and its settings."""

from typing import NamedTuple


class Setting(NamedTuple):
    """A row of Table 1: megabits a second, one-way delay in ms, share of a core."""

    mbit: float
    delay: float
    cpu: float

    @property
    def name(self) -> str:
        return f"{self.mbit:g} Mb/s, {self.delay:g} ms, CPU {self.cpu:g}"


class Row(NamedTuple):
    """Milliseconds: the paper's procedures 1 to 4."""

    keygen_a: float
    keygen_b: float
    create: float
    upload: float
    update: float
    """With the upload in it, as the paper's text says."""
    download: float


HEADS = ("keygen A", "keygen B", "create channel", "encrypt and upload", "update channel", "download and decrypt")

TABLE1 = {
    Setting(20, 100, 0.5): Row(0.14, 0.16, 1207.67, 1722.50, 2527.65, 1732.85),
    Setting(20, 100, 0.3): Row(0.22, 0.16, 1209.17, 1764.39, 2569.57, 1618.98),
    Setting(20, 100, 0.8): Row(0.14, 0.16, 1209.27, 1697.38, 2502.69, 1611.22),
    Setting(10, 100, 0.5): Row(0.14, 0.16, 1208.28, 1697.08, 2502.37, 1610.49),
    Setting(30, 100, 0.5): Row(0.26, 0.49, 1214.75, 1727.17, 2535.06, 1622.26),
    Setting(20, 50, 0.5): Row(0.26, 0.47, 614.76, 914.64, 1321.59, 824.52),
    Setting(20, 200, 0.5): Row(0.26, 0.30, 2414.72, 3273.44, 4880.54, 3210.29),
}

DIFFERENCES = (
    "The paper emulates a network of hosts and switches in Mininet; here each pair of processes has one emulated link "
    "in user space, with TCP's handshake and slow start, and no switches, routing or Ethernet.",
    "The paper's prototype is in Go 1.13 on a server with many cores; ours is Python on the machine named above.",
    "The paper's update contains the upload of its chunk. Ours uploads all chunks of a sale once, when the sale is "
    "committed to; both readings stand in the table.",
    "Ours adds what the paper leaves out: a commitment on the ledger before the upload, keys that are released only "
    "for a signed payment, mutually authenticated TLS, and journals on disk.",
    "The paper does not say whether its devices reach the ledger through the wireless link; creating a channel is "
    "therefore measured both ways.",
)
