"""SEAL's rules: sealed auctions for a drone's computing, and results for money (docs/seal.md)."""
