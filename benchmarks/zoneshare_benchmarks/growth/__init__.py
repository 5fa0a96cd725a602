"""How cost grows with zones, devices, channels and blocks, and where a whole city meets its first wall."""
