"""Trades between two devices: buyer, seller, watchtower, and what they stand on (wire, journal, catalogue)."""
