"""Chaincode as a service: runs any ``zoneshare_protocols.stub.Chaincode`` on a real Fabric peer, unchanged.

The chaincode is the gRPC server (protos.Chaincode/Connect) and every peer connects to it; docs/decisions/0010 says why
the protocol is spoken here and not by Fabric's Python shim. ``python -m zoneshare_chaincode.host`` runs zoneshare's
own contracts.
"""
