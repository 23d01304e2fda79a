"""How a process ended. Pure."""

import signal


def in_words(code: int) -> str:
    """An exit code, or the signal that it stands for when negative."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
