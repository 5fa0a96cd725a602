"""E-PoW (Wei et al., "Connecting AI Learning and Blockchain Mining in 6G Systems"): the zone's blocks are mined by
useful matrix multiplication. Pure rules: no I/O, no clock; every random value comes in as bytes or vectors.
"""
