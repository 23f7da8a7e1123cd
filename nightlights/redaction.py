"""Keeping keys, tokens and the bucket's name out of everything that is written or shown."""

import re
from collections.abc import Iterable

HIDDEN = "[hidden]"

_KEYS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|ya29\.[\w.-]+"
    r"|(?i:(?<=bearer ))[\w.~+/=-]+"
    r"|1//[\w-]{20,}",
    re.DOTALL,
)
"""Private keys in PEM form, Google's access tokens, bearer tokens, Google's refresh tokens."""


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without ``secrets`` and without anything that looks like a key or a token.

    Secrets of fewer than three characters are left alone: they would hide half of every sentence.
    """
    for secret in sorted({secret for secret in secrets if len(secret) > 2}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _KEYS.sub(HIDDEN, text)
