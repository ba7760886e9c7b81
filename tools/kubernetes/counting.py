"""Numbers of things, in words."""


def counted(count: int, one: str, many: str = "") -> str:
    """One of them or several: "1 pod", "3 pods"; `many` where that is more than an s."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"
