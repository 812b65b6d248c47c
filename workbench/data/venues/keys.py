"""API keys of venues: from the OS keyring, then from the environment; never written, logged or shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

SERVICE = "workbench"
"""Service under which the keyring keeps them; the users are ``binance.key`` and ``binance.secret``."""


@dataclass(frozen=True)
class Keys:
    """A key and its secret; neither shows in a representation."""

    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    origin: str = ""

    def __bool__(self) -> bool:
        return bool(self.key)

    def hide(self, text: str) -> str:
        """Strike the key and the secret out of a text, whatever surrounds them."""
        for word in (self.secret, self.key):
            if word:
                text = text.replace(word, "[redacted]")
        return text


def venue_keys(venue: str, env: Mapping[str, str] | None = None) -> Keys:
    """Return the keys of a venue, empty ones where none are kept: public data need no key.

    Parameters
    ----------
    venue : str
        Name of the catalogue. Asked for in the keyring as service ``workbench``, users ``<venue>.key`` and
        ``<venue>.secret``; then in ``WORKBENCH_<VENUE>_KEY`` and ``WORKBENCH_<VENUE>_SECRET``.
    env : mapping, optional
        Instead of the process's environment.
    """
    key, secret = _from_keyring(f"{venue}.key"), _from_keyring(f"{venue}.secret")
    if key:
        return _warned(venue, Keys(key, secret, "keyring"))
    env = os.environ if env is None else env
    prefix = f"WORKBENCH_{re.sub('[^A-Z0-9]', '_', venue.upper())}"
    if env.get(f"{prefix}_KEY"):
        return _warned(venue, Keys(env[f"{prefix}_KEY"], env.get(f"{prefix}_SECRET", ""), "environment"))
    return Keys()


def _warned(venue: str, keys: Keys) -> Keys:
    if not keys.secret and venue != "coingecko":
        from workbench.ops import get_logger

        get_logger("data").warning("an API key without its secret cannot sign", venue=venue, origin=keys.origin)
    return keys


def _from_keyring(user: str) -> str:
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(SERVICE, user) or ""
    except (KeyringError, RuntimeError, OSError):  # a machine without a keyring (headless, locked) has no keys there
        return ""
