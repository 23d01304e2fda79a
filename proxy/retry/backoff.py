"""How long to wait before a request goes again."""

import random
from datetime import UTC, datetime
from typing import Final

LEAST: Final = 0.025  # seconds
MOST: Final = 0.25  # seconds
LONGEST_RETRY_AFTER: Final = 1.0  # seconds: who is asked to wait longer gives the answer to the client

# RFC 9110 section 5.6.7: IMF-fixdate, and the two obsolete forms that a recipient must still read.
_DATE_FORMS: Final = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")


def wait_before(
    *, same_backend: bool, retry_after: bytes | None, now_wall: float, chance: random.Random
) -> float | None:
    """Seconds to wait; None: the response asks for more than we hold a client for, so do not go again.

    `retry_after` is the field of the response that is not good enough, None where there is none; one that cannot be
    read counts as none. `now_wall` is in seconds since the epoch. Another backend is asked at once; the same one after
    a random time between 25 and 250 ms, so that those who failed together do not come back together.
    """
    asked = 0.0 if retry_after is None else parse_retry_after(retry_after, now_wall) or 0.0
    if asked > LONGEST_RETRY_AFTER:
        return None
    return max(asked, chance.uniform(LEAST, MOST)) if same_backend else asked


def parse_retry_after(value: bytes, now_wall: float) -> float | None:
    """Seconds from now by a Retry-After field, never below 0; None when it cannot be read (RFC 9110 section 10.2.3)."""
    text = value.strip(b" \t")
    if text.isdigit():
        return float(text)  # an int refuses more than a few thousand digits
    for form in _DATE_FORMS:
        try:
            moment = datetime.strptime(text.decode("ascii"), form).replace(tzinfo=UTC)
        except ValueError:  # also of the decoding
            continue
        return max(0.0, moment.timestamp() - now_wall)
    return None
