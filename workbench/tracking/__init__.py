"""Finished runs, the trials ledger, gates and the registry. MLflow is loaded only when a run is logged."""

from __future__ import annotations

from workbench.tracking.gates import Gate, GatePolicy, Verdict, check_gates
from workbench.tracking.ledger import Trial, TrialsLedger
from workbench.tracking.mlflow_runs import attach_artifacts, list_runs, log_record, relog
from workbench.tracking.record import RunRecord
from workbench.tracking.records import latest_record, list_records, load_record, read_record, write_record
from workbench.tracking.store import mlflow_environment, prepare_store
from workbench.tracking.tracker import Tracker, start_run

__all__ = [
    "Gate",
    "GatePolicy",
    "RunRecord",
    "Tracker",
    "Trial",
    "TrialsLedger",
    "Verdict",
    "attach_artifacts",
    "check_gates",
    "latest_record",
    "list_records",
    "list_runs",
    "load_record",
    "log_record",
    "mlflow_environment",
    "prepare_store",
    "read_record",
    "relog",
    "start_run",
    "write_record",
]
