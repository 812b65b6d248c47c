"""Promotion of a challenger through the gates, and the way back; at every step there is exactly one champion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.config import Settings
from workbench.errors import ArtifactError, ConfigError, PromotionError
from workbench.tracking.gates import GatePolicy, Verdict
from workbench.tracking.judging import check_origin, judge, record_sha256
from workbench.tracking.promotion_ledger import Entry, append_entry, read_entries, stamp
from workbench.tracking.records import read_record
from workbench.tracking.registry import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    ModelVersion,
    backed_by_ledger,
    find_version,
    registry_lock,
    verified_folder,
)
from workbench.tracking.store import open_store, tracking_errors


@dataclass(frozen=True)
class Promotion:
    """A champion that was set: which version, of which run, in place of which, and where it lies."""

    name: str
    version: int
    run_id: str
    replaced: int
    folder: Path
    verdict: Verdict | None = None


def promote(
    settings: Settings,
    name: str,
    version: int | str | None = None,
    *,
    now: datetime,
    who: str = "",
    reason: str = "",
    policy: GatePolicy | None = None,
) -> Promotion:
    """Make a version champion if its run passes every gate; the old champion keeps the alias ``previous``.

    The gates read the run's own record, which must be the one that the model was registered with, and measure its
    returns again (see `judge`); the trials are those counted by today, and the worse figure counts. The model must be
    the one that this run saved.

    Parameters
    ----------
    version : int or str, optional
        A version such as 7 or ``"v7"``; the challenger where absent.
    now : datetime
        Time of the decision, with a time zone.
    who, reason : str
        Kept in the promotion ledger.

    Raises
    ------
    PromotionError
        When a gate fails, naming each and by how much; the refusal is entered in the ledger and the champion stays.
    ArtifactError
        When the record or the model was altered, is missing, or is another run's.
    """
    at = stamp(now)
    client = open_store(settings)
    with registry_lock(settings, f"promoting {name!r}"), tracking_errors(settings):
        champion = _settle(settings, client, name, at)
        chosen = _chosen(client, name, version)
        entries = read_entries(settings, name)
        if champion is not None and champion.version == chosen.version and backed_by_ledger(entries, champion):
            raise PromotionError(f"{name} v{chosen.version} is champion already; name another version")
        folder = verified_folder(settings, client, chosen)
        check_origin(folder, chosen.run_id)
        _check_record(settings, chosen)
        verdict = judge(settings, read_record(chosen.run_id, settings), policy)
        entry = Entry(
            name, chosen.version, chosen.run_id, "promote", "intended", at, who, reason,
            champion.version if champion else 0, chosen.sha256, verdict.as_dict()["gates"],
        )  # fmt: skip
        if not verdict.passed:
            append_entry(settings, replace(entry, outcome="refused"))
            stays = f"Champion stays v{champion.version}." if champion else "There is no champion yet."
            raise PromotionError(f"run {chosen.run_id[:6]} not promoted: {verdict.failures()}. {stays}")
        append_entry(settings, entry)
        client.set_registered_model_alias(name, CHAMPION, str(chosen.version))
        _follow_up(client, entry)
        append_entry(settings, replace(entry, outcome="done"))
    return Promotion(name, chosen.version, chosen.run_id, champion.version if champion else 0, folder, verdict)


def rollback(settings: Settings, name: str, *, now: datetime, who: str = "", reason: str = "") -> Promotion:
    """Make the champion before this one champion again, after checking its files; the step is entered in the ledger.

    Raises
    ------
    PromotionError
        When there was none before.
    """
    at = stamp(now)
    client = open_store(settings)
    with registry_lock(settings, f"rolling {name!r} back"), tracking_errors(settings):
        champion = _settle(settings, client, name, at)
        previous = find_version(client, name, PREVIOUS)
        if champion is None or previous is None or previous.version == champion.version:
            raise PromotionError(f"{name} has no earlier champion to go back to; promote a version instead")
        passed = [e for e in read_entries(settings, name) if e.action == "promote" and e.outcome == "done"]
        if (previous.version, previous.sha256) not in [(e.version, e.sha256) for e in passed]:
            raise PromotionError(f"{name} v{previous.version} never passed the gates here; promote a version instead")
        folder = verified_folder(settings, client, previous)
        entry = Entry(
            name,
            previous.version,
            previous.run_id,
            "rollback",
            "intended",
            at,
            who,
            reason,
            champion.version,
            previous.sha256,
        )
        append_entry(settings, entry)
        client.set_registered_model_alias(name, CHAMPION, str(previous.version))
        _follow_up(client, entry)
        append_entry(settings, replace(entry, outcome="done"))
    return Promotion(name, previous.version, previous.run_id, champion.version, folder)


def _check_record(settings: Settings, version: ModelVersion) -> None:
    if record_sha256(settings, version.run_id) != version.record_sha256:
        raise ArtifactError(
            f"the record of run {version.run_id} is not the one that {version.name} v{version.version} was registered "
            "with; restore it, or run the experiment again"
        )


def _chosen(client: Any, name: str, version: int | str | None) -> ModelVersion:
    which = CHALLENGER if version is None else _number(version)
    chosen = find_version(client, name, which)
    if chosen is None and version is None:
        raise PromotionError(f"{name} has no challenger; name a version, 'workbench models list' shows them")
    if chosen is None:
        raise ConfigError(f"{name} has no version {version!r}; 'workbench models list' shows them")
    return chosen


def _number(version: int | str) -> int:
    try:
        return int(str(version).removeprefix("v"))
    except ValueError:
        raise ConfigError(f"version {version!r} is not a number; write it like 7 or v7") from None


def _settle(settings: Settings, client: Any, name: str, at: str) -> ModelVersion | None:
    """Close an entry that a crash left open, by what MLflow says; return the champion."""
    champion = find_version(client, name, CHAMPION)
    entries = read_entries(settings, name)
    if entries and entries[-1].outcome == "intended":
        last = entries[-1]
        moved = champion is not None and champion.version == last.version
        why = "settled after an interruption"
        if moved:
            _follow_up(client, last)
        append_entry(settings, replace(last, outcome="done" if moved else "abandoned", at=at, reason=why))
    return champion


def _follow_up(client: Any, entry: Entry) -> None:
    """Set the other aliases once the champion has moved; doing it twice is harmless."""
    aliases = client.get_registered_model(entry.name).aliases
    if entry.action == "rollback":
        if PREVIOUS in aliases:
            client.delete_registered_model_alias(entry.name, PREVIOUS)
        return
    if entry.champion not in (0, entry.version):
        client.set_registered_model_alias(entry.name, PREVIOUS, str(entry.champion))
    if int(aliases.get(CHALLENGER, 0)) == entry.version:
        client.delete_registered_model_alias(entry.name, CHALLENGER)
