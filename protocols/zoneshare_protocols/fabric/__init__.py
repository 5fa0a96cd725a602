"""The formats of Hyperledger Fabric as pure functions on its own protobuf messages.

No I/O, no clock, no randomness: nonces, timestamps and keys are arguments. A peer, a client and a contract that checks
another zone's proof all use the same functions. Never imported in a process that has loaded fabric-sdk-py (hfc):
both register the same proto files.
"""
