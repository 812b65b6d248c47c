"""Finished runs, the trials ledger, gates and the registry. MLflow is loaded only when a run is logged."""

from __future__ import annotations

from workbench.tracking.gates import Gate, GatePolicy, Verdict, check_gates
from workbench.tracking.judging import judge
from workbench.tracking.ledger import Evaluated, Trial, TrialsLedger
from workbench.tracking.lockbox import LockBox, Opened, Opening
from workbench.tracking.mlflow_runs import attach_artifacts, list_runs, log_record, relog
from workbench.tracking.promotion import Promotion, promote, rollback
from workbench.tracking.promotion_ledger import list_promotions
from workbench.tracking.record import RunRecord
from workbench.tracking.records import latest_record, list_records, load_record, read_record, write_record
from workbench.tracking.registry import champion_folder, list_models, register_model
from workbench.tracking.sketches import Sketch, sketch_of, sketches_of
from workbench.tracking.standing import Standing, standing_of
from workbench.tracking.store import mlflow_environment, prepare_store
from workbench.tracking.tracker import Tracker, start_run

__all__ = [
    "Evaluated",
    "Gate",
    "GatePolicy",
    "LockBox",
    "Opened",
    "Opening",
    "Promotion",
    "RunRecord",
    "Sketch",
    "Standing",
    "Tracker",
    "Trial",
    "TrialsLedger",
    "Verdict",
    "attach_artifacts",
    "champion_folder",
    "check_gates",
    "judge",
    "latest_record",
    "list_models",
    "list_promotions",
    "list_records",
    "list_runs",
    "load_record",
    "log_record",
    "mlflow_environment",
    "prepare_store",
    "promote",
    "read_record",
    "register_model",
    "relog",
    "rollback",
    "sketch_of",
    "sketches_of",
    "standing_of",
    "start_run",
    "write_record",
]
