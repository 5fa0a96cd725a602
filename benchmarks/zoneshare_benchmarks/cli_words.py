"""How figures are put into words."""


def goal_text(goal: float | None, better: str, unit: str) -> str:
    """A goal as a person reads it."""
    if goal is None:
        return "-"
    return f"{'at least' if better == 'higher' else 'at most'} {goal:g} {unit}".rstrip()
