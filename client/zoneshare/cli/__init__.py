"""The command ``zoneshare``: a shell over the SDK."""
