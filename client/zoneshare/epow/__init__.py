"""E-PoW as a system (docs/epow.md): coordinator, miner, source, and training through them."""
