"""Sealed auctions for computing (docs/seal.md): the enclave, and the contract ``auction`` of a zone."""
