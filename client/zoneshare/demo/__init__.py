"""``zoneshare demo``: a real file sold between two zones, by real processes, and four frauds that fail."""
