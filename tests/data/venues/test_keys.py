"""Keys come from the keyring, then from the environment, and show nowhere."""

from __future__ import annotations

import io
import traceback
from typing import Any

import keyring
import keyring.backend
import pytest
from keyring.errors import KeyringLocked, NoKeyringError

from workbench.data.venues.keys import Keys, venue_keys
from workbench.data.venues.open import open_venue
from workbench.ops import set_up_logging

KEY, SECRET = "canary-key-5f1d0c", "canary-secret-9ab7e3"


class Ring(keyring.backend.KeyringBackend):
    priority = 1  # type: ignore[assignment]

    def __init__(self, kept: dict[tuple[str, str], str] | Exception) -> None:
        self.kept = kept

    def get_password(self, service: str, username: str) -> str | None:
        if isinstance(self.kept, Exception):
            raise self.kept
        return self.kept.get((service, username))

    def set_password(self, *_given: str) -> None:
        raise AssertionError("keys are never written")


@pytest.fixture
def use_ring() -> Any:
    before = keyring.get_keyring()
    yield lambda kept: keyring.set_keyring(Ring(kept))
    keyring.set_keyring(before)


def test_the_keyring_comes_first(use_ring: Any) -> None:
    use_ring({("workbench", "binance.key"): KEY, ("workbench", "binance.secret"): SECRET})
    keys = venue_keys("binance", {"WORKBENCH_BINANCE_KEY": "other", "WORKBENCH_BINANCE_SECRET": "other"})
    assert (keys.key, keys.secret, keys.origin) == (KEY, SECRET, "keyring")


@pytest.mark.parametrize("kept", [{}, NoKeyringError("none"), KeyringLocked("locked"), RuntimeError("no bus")])
def test_then_the_environment_without_noise(use_ring: Any, kept: Any, capfd: pytest.CaptureFixture[str]) -> None:
    use_ring(kept)
    keys = venue_keys("binance", {"WORKBENCH_BINANCE_KEY": KEY, "WORKBENCH_BINANCE_SECRET": SECRET})
    assert (keys.key, keys.secret, keys.origin) == (KEY, SECRET, "environment")
    assert not venue_keys("kraken", {})
    assert capfd.readouterr() == ("", "")


def test_a_key_without_a_secret_is_said_and_not_shown(use_ring: Any, capsys: pytest.CaptureFixture[str]) -> None:
    use_ring({})
    venue_keys("okx", {"WORKBENCH_OKX_KEY": KEY})
    said = capsys.readouterr().err
    assert "without its secret" in said
    assert KEY not in said


def test_the_canary_is_in_no_log_error_or_representation(
    settings: Any, scripted_server: Any, answer_of: Any, step_clock: Any
) -> None:
    stream = io.StringIO()
    set_up_logging(level="debug", stream=stream, file=settings.home / "log.jsonl")
    try:
        keys = Keys(KEY, SECRET)
        venue = open_venue("binance", settings, at=scripted_server.url, clock=step_clock, seed=0, keys=keys)
        venue.markets()
        scripted_server.answer = lambda asked: answer_of(
            {"code": -2015, "msg": f"Invalid API-key {asked.headers.get('X-MBX-APIKEY', KEY)} of {SECRET}"}, 401
        )
        texts = [repr(keys), repr(venue), repr(venue.guard), str(vars(keys).keys())]
        for body, status in (
            ({"code": -2015, "msg": f"bad key {KEY} {SECRET}"}, 401),
            (f"{SECRET} {KEY}".encode(), 502),
        ):
            scripted_server.say(answer_of(body, status))
            with pytest.raises(Exception, match="binance") as raised:
                venue.fetch_bars("BTC/USDT", "1m", 1_699_000_020_000, 5)
            texts.append(str(raised.value))
        scripted_server.say(answer_of(f"<html>{KEY}{SECRET}".encode()))
        with pytest.raises(Exception, match="binance") as raised:
            venue.fetch_bars("BTC/USDT", "1m", 1_699_000_020_000, 5)
        texts += [str(raised.value), stream.getvalue(), (settings.home / "log.jsonl").read_text()]
        texts += [p.read_text(errors="replace") for p in (settings.data_dir / "venues").iterdir()]
    finally:
        set_up_logging(level="warning")
    assert "a venue failed" in stream.getvalue()  # there was something to hide it in
    for text in texts:
        assert KEY not in text
        assert SECRET not in text


def test_an_error_shown_with_its_causes_hides_the_canary_too(
    settings: Any, scripted_server: Any, answer_of: Any, step_clock: Any
) -> None:
    keys = Keys(KEY, SECRET)
    venue = open_venue("binance", settings, at=scripted_server.url, clock=step_clock, seed=0, keys=keys)
    venue.markets()
    scripted_server.say(answer_of({"code": -2015, "msg": f"bad key {KEY} {SECRET}"}, 401))
    try:
        venue.fetch_bars("BTC/USDT", "1m", 1_699_000_020_000, 5)
    except Exception:  # noqa: BLE001
        shown = traceback.format_exc()
    assert "binance" in shown
    assert KEY not in shown
    assert SECRET not in shown


def test_reading_needs_no_key(settings: Any, scripted_server: Any, answer_of: Any, step_clock: Any) -> None:
    venue = open_venue("binance", settings, at=scripted_server.url, clock=step_clock, seed=0)
    scripted_server.say(answer_of([]))
    venue.fetch_bars("BTC/USDT", "1m", 1_699_000_020_000, 5)
    assert not any("apikey" in name.lower() for a in scripted_server.asked for name in a.headers)
