"""Finished runs, the trials ledger, gates and the registry. MLflow is loaded only when a run is logged."""

from __future__ import annotations

from workbench.tracking.gates import Gate, GatePolicy, Verdict, check_gates
from workbench.tracking.ledger import Trial, TrialsLedger
from workbench.tracking.record import RunRecord
from workbench.tracking.records import latest_record, list_records, load_record, read_record, write_record

__all__ = [
    "Gate",
    "GatePolicy",
    "RunRecord",
    "Trial",
    "TrialsLedger",
    "Verdict",
    "check_gates",
    "latest_record",
    "list_records",
    "load_record",
    "read_record",
    "write_record",
]
