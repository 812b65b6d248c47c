"""Saved models: whole or refused. Every hostile folder is turned away and nothing in it runs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import torch
from safetensors.torch import load, save
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from workbench.errors import ArtifactError, ConfigError, NotFittedError, WorkbenchError
from workbench.models import build, load_model, save_model

from .conftest import planted, shaped, tiny


class Canary:
    """Writes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[str], Path]:
    """(model name) -> folder of a fitted model."""

    def make(name: str) -> Path:
        sample = shaped(name, planted(3, 120, strength=2.0))
        folder = tmp_path / name
        save_model(build(tiny(name), seed=1).fit(sample.X, sample.y), folder)
        return folder

    return make


def reseal(folder: Path) -> None:
    """Write a manifest that matches whatever lies in the folder: what an attacker would do."""
    names = sorted(p.name for p in folder.iterdir() if p.name != "manifest.json")
    files = {
        n: {"bytes": (folder / n).stat().st_size, "sha256": hashlib.sha256((folder / n).read_bytes()).hexdigest()}
        for n in names
    }
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "files": files}))


def edit_spec(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    spec = json.loads((folder / "model.json").read_text())
    change(spec)
    (folder / "model.json").write_text(json.dumps(spec))
    reseal(folder)


def edit_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = folder / "weights.safetensors"
    tensors = load(path.read_bytes())
    change(tensors)
    path.write_bytes(save(tensors))
    reseal(folder)


def rewrite_estimator(folder: Path, estimator: object) -> None:
    (folder / "estimator.skops").write_bytes(skops.io.dumps(estimator))
    reseal(folder)


def edit_schema(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "estimator.skops"
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as old:
        members = {n: old.read(n) for n in old.namelist()}
    schema = json.loads(members["schema.json"])
    change(schema)
    members["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as new:
        for name, data in members.items():
            new.writestr(name, data)
    reseal(folder)


@pytest.mark.parametrize("name", ["lstm", "logistic", "hist_gradient_boosting", "zero"])
def test_every_flipped_byte_is_found(saved: Callable[[str], Path], name: str) -> None:
    folder = saved(name)
    seal = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        known = seal if path.name == "manifest.json" else None  # nothing else can seal the manifest itself
        damaged = [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in {0, len(data) // 2, len(data) - 1}]
        for torn in [*damaged, data[:-1], data + b" ", b""]:
            path.write_bytes(torn)
            with pytest.raises(ArtifactError, match="is refused"):
                load_model(folder, known)
        path.write_bytes(data)
    load_model(folder, seal)


@pytest.mark.parametrize("missing", ["model.json", "extra.json", "weights.safetensors", "manifest.json"])
def test_a_missing_file_is_named(saved: Callable[[str], Path], missing: str) -> None:
    folder = saved("lstm")
    (folder / missing).unlink()
    with pytest.raises(ArtifactError, match=rf"{missing}'? is missing"):
        load_model(folder)


def test_a_missing_weight_file_is_named_even_when_resealed(saved: Callable[[str], Path]) -> None:
    folder = saved("lstm")
    (folder / "weights.safetensors").unlink()
    reseal(folder)
    with pytest.raises(
        ArtifactError, match=r"model 'lstm' needs weights\.safetensors, the folder has extra\.json, model\.json"
    ):
        load_model(folder)


def test_surplus_files_are_refused(saved: Callable[[str], Path], tmp_path: Path) -> None:
    folder = saved("logistic")
    (folder / "sitecustomize.py").write_text("")
    with pytest.raises(ArtifactError, match=r"'sitecustomize\.py' is not listed in the manifest"):
        load_model(folder)
    reseal(folder)
    with pytest.raises(ArtifactError, match="lists files that no model has"):
        load_model(folder)
    with pytest.raises(ArtifactError, match="the folder does not exist"):
        load_model(tmp_path / "nowhere")


def test_links_are_not_followed(saved: Callable[[str], Path], tmp_path: Path) -> None:
    folder = saved("logistic")
    (folder / "estimator.skops").rename(tmp_path / "elsewhere")
    (folder / "estimator.skops").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match=r"estimator\.skops is not a plain file"):
        load_model(folder)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "sub/model.json", "model.json/../../x", ""])
def test_paths_in_the_manifest_lead_nowhere(saved: Callable[[str], Path], path: str) -> None:
    folder = saved("zero")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][path] = {"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="lists files that no model has"):
        load_model(folder)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "null", '{"files": 3}', '{"files": {}}', "[" * 100_000, '{"files": {"model.json": 1}}', "\xff"],
)
def test_a_broken_manifest(saved: Callable[[str], Path], text: str) -> None:
    folder = saved("zero")
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ArtifactError):
        load_model(folder)


def test_the_manifest_hash_fixes_every_byte(saved: Callable[[str], Path], tmp_path: Path) -> None:
    sample = planted(3, 120, strength=2.0)
    spec = save_model(build("logistic").fit(sample.X, sample.y), tmp_path / "own")
    other = saved("logistic")
    load_model(tmp_path / "own", spec["manifest_sha256"])
    for path in other.iterdir():
        (tmp_path / "own" / path.name).write_bytes(path.read_bytes())
    load_model(tmp_path / "own")
    with pytest.raises(ArtifactError, match=r"manifest\.json has SHA-256 .*…, expected"):
        load_model(tmp_path / "own", spec["manifest_sha256"])


@pytest.mark.parametrize("name", ["lstm", "logistic"])
def test_a_pickle_in_place_of_weights_does_not_run(saved: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    folder, canary = saved(name), tmp_path / "canary"
    weights = next(p for p in folder.iterdir() if p.suffix in {".skops", ".safetensors"})
    bombs = [pickle.dumps(Canary(canary)), _zipped({"schema.json": pickle.dumps(Canary(canary))}), _torch_file(canary)]
    for bomb in bombs:
        weights.write_bytes(bomb)
        reseal(folder)
        with pytest.raises(ArtifactError, match="the weights are not a"):
            load_model(folder)
    assert not canary.exists()


def _zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _torch_file(canary: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save(Canary(canary), buffer)
    return buffer.getvalue()


def test_an_array_that_hides_a_pickle_does_not_run(saved: Callable[[str], Path], tmp_path: Path) -> None:
    folder, canary = saved("logistic"), tmp_path / "canary"
    buffer = io.BytesIO()
    np.save(buffer, np.array([Canary(canary)], dtype=object), allow_pickle=True)
    path = folder / "estimator.skops"
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as old:
        members = {n: buffer.getvalue() if n.endswith(".npy") else old.read(n) for n in old.namelist()}
    path.write_bytes(_zipped(members))
    reseal(folder)
    with pytest.raises(ArtifactError, match="the skops file cannot be read"):
        load_model(folder)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("module", "name", "loader"),
    [
        ("os", "mkdir", "FunctionNode"),
        ("builtins", "eval", "TypeNode"),
        ("subprocess", "Popen", "ObjectNode"),
        ("operator", "methodcaller", "OperatorFuncNode"),
        ("sklearn.linear_model._logistic", "LogisticRegression", "MethodNode"),
        ("numpy", "ndarray", "ReduceNode"),
        ("builtins", "dict", "BytesNode"),
    ],
)
def test_a_skops_type_off_the_list_is_refused_before_loading(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, module: str, name: str, loader: str
) -> None:
    folder = saved("logistic")
    edit_schema(
        folder,
        lambda s: s.setdefault("content", {}).update(x={"__module__": module, "__class__": name, "__loader__": loader}),
    )

    def never(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("skops was asked to load an untrusted file")

    monkeypatch.setattr(skops.io, "loads", never)
    with pytest.raises(
        ArtifactError, match=rf"type {module}\.{name} \(loader {loader}\) is not trusted for model 'logistic'"
    ):
        load_model(folder)


def test_a_function_in_an_estimator_is_refused(saved: Callable[[str], Path], tmp_path: Path) -> None:
    folder, rows = saved("logistic"), planted(3, 120, 2.0)
    estimator = LogisticRegression().fit(rows.X, rows.y)
    estimator.surprise = os.mkdir
    rewrite_estimator(folder, estimator)
    with pytest.raises(ArtifactError, match=r"posix\.mkdir .* is not trusted"):
        load_model(folder)


def test_another_estimator_is_refused(saved: Callable[[str], Path]) -> None:
    folder, rows = saved("logistic"), planted(3, 120, 2.0)
    rewrite_estimator(folder, make_pipeline(LogisticRegression()).fit(rows.X, rows.y))
    with pytest.raises(ArtifactError, match=r"sklearn\.pipeline\.Pipeline .* is not trusted for model 'logistic'"):
        load_model(folder)
    rewrite_estimator(folder, {"just": "a dict"})
    with pytest.raises(ArtifactError, match="holds a dict, not a LogisticRegression"):
        load_model(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e.coef_.fill(np.nan),
        lambda e: setattr(e, "coef_", e.coef_[:, :2]),
        lambda e: setattr(e, "intercept_", np.array([np.inf, 0, 0])),
        lambda e: setattr(e, "classes_", np.array([-1, 0, 7])),
        lambda e: setattr(e, "classes_", np.array(["a", "b", "c"])),
        lambda e: delattr(e, "coef_"),
    ],
)
def test_a_linear_model_that_does_not_fit_is_refused(
    saved: Callable[[str], Path], change: Callable[[Any], object]
) -> None:
    folder, rows = saved("logistic"), planted(3, 120, 2.0)
    estimator = LogisticRegression().fit(rows.X, rows.y)
    change(estimator)
    rewrite_estimator(folder, estimator)
    with pytest.raises(ArtifactError, match="is refused"):
        load_model(folder)


@pytest.mark.parametrize(
    ("field", "value"), [("left", 0), ("right", 10**6), ("feature_idx", 10**6), ("feature_idx", -1), ("value", np.nan)]
)
def test_a_tree_that_leads_outside_itself_is_refused(saved: Callable[[str], Path], field: str, value: float) -> None:
    """scikit-learn's tree walk trusts these numbers: unchecked, they read outside memory or never end."""
    folder = saved("hist_gradient_boosting")
    model, _ = load_model(folder)
    tree = model.estimator_._predictors[0][0]
    tree.nodes[field][0 if field != "value" else -1] = value
    rewrite_estimator(folder, model.estimator_)
    with pytest.raises(ArtifactError, match="a tree "):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda e: e._predictors[0].pop(), "a boosting round has 2 trees, not 3"),
        (lambda e: setattr(e, "_n_features", 9) or setattr(e, "n_features_in_", 9), "do not fit the model's features"),
        (lambda e: e._predictors[0][0].nodes["is_categorical"].fill(1), "a tree is not one of numeric splits"),
        (lambda e: delattr(e, "_loss"), "the weights give no forecast"),
    ],
)
def test_trees_that_do_not_fit_are_refused(
    saved: Callable[[str], Path], change: Callable[[Any], object], line: str
) -> None:
    folder = saved("hist_gradient_boosting")
    model, _ = load_model(folder)
    change(model.estimator_)
    rewrite_estimator(folder, model.estimator_)
    with pytest.raises(ArtifactError, match=line):
        load_model(folder)


def test_a_zip_bomb_is_refused_unread(saved: Callable[[str], Path]) -> None:
    folder = saved("logistic")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("bomb.npy", "w", force_zip64=True) as member:
            for _ in range(1025):
                member.write(bytes(2**20))
        archive.writestr("schema.json", "{}")
    (folder / "estimator.skops").write_bytes(buffer.getvalue())
    reseal(folder)
    with pytest.raises(ArtifactError, match="unpacks to more than any model holds"):
        load_model(folder)


def test_a_huge_json_file_is_refused_unread(saved: Callable[[str], Path]) -> None:
    folder = saved("zero")
    with (folder / "extra.json").open("wb") as stream:
        stream.truncate(17 * 2**20)
    with pytest.raises(ArtifactError, match=r"extra\.json has 17825792 bytes, more than 16777216"):
        load_model(folder)


def test_a_huge_safetensors_header_is_refused(saved: Callable[[str], Path]) -> None:
    folder = saved("lstm")
    path = folder / "weights.safetensors"
    for size in (2**63, 2**40, 10**9):
        path.write_bytes(struct.pack("<Q", size) + b"{}" + b" " * 100)
        reseal(folder)
        with pytest.raises(ArtifactError, match="not a safetensors file"):
            load_model(folder)
    header = json.dumps({"head.bias": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    reseal(folder)
    with pytest.raises(ArtifactError, match="not a safetensors file"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda t: t["head.bias"].fill_(float("nan")), "'head.bias' holds values that are not finite"),
        (lambda t: t["head.bias"].fill_(float("inf")), "'head.bias' holds values that are not finite"),
        (lambda t: t.pop("head.bias"), "'head.bias' is missing"),
        (lambda t: t.update(more=torch.zeros(1)), "the net wants none"),
        (lambda t: t.update({"head.bias": torch.zeros(4)}), r"'head.bias' is \(\(4,\), torch.float32\)"),
        (lambda t: t.update({"head.bias": torch.zeros(3, dtype=torch.float64)}), "torch.float64"),
    ],
)
def test_tensors_that_do_not_fit_the_net_are_refused(
    saved: Callable[[str], Path], change: Callable[[Any], object], line: str
) -> None:
    folder = saved("lstm")
    edit_tensors(folder, change)
    with pytest.raises(ArtifactError, match=line):
        load_model(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(model="os.system"),
        lambda s: s.update(model=["lstm"]),
        lambda s: s.update(format=2),
        lambda s: s["parameters"].update(surprise=1),
        lambda s: s["parameters"].update(hidden=[10**9]),
        lambda s: s["parameters"].update(hidden=[4096] * 8),
        lambda s: s["parameters"].update(hidden=[[8]]),
        lambda s: s["parameters"].update(threads=10**6),
        lambda s: s.update(parameters=[]),
        lambda s: s.update(learned={}),
        lambda s: s["learned"].update(n_features_in_=0),
        lambda s: s["learned"].update(n_features_in_=10**12),
        lambda s: s["learned"].update(n_features_in_=6),
        lambda s: s["learned"].update(class_counts_=[1, 2]),
        lambda s: s["learned"].update(class_counts_=[1, 2, "x"]),
        lambda s: s["learned"].update(constant_=[0.5, 0.5, 0.5]),
        lambda s: s["learned"].update(constant_=["a", "b", "c"]),
        lambda s: s["learned"].update(constant_=[0.2, 0.3, 0.5]),
        lambda s: s["learned"].update(history_=[1]),
    ],
)
def test_a_spec_that_describes_no_model_is_refused(
    saved: Callable[[str], Path], change: Callable[[Any], object]
) -> None:
    folder = saved("lstm")
    edit_spec(folder, change)
    with pytest.raises(ArtifactError, match="is refused"):
        load_model(folder)


def test_a_huge_net_is_refused_without_allocating_it(saved: Callable[[str], Path]) -> None:
    """The largest net that the bounds allow has a billion weights; shapes are compared before any is made."""
    import resource

    folder = saved("lstm")
    edit_spec(folder, lambda s: s["parameters"].update(hidden=[4096] * 8))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ArtifactError, match="the net wants"):
        load_model(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_a_saved_model_is_never_changed(saved: Callable[[str], Path]) -> None:
    folder = saved("zero")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(ArtifactError, match="already holds something; a saved model is never changed"):
        save_model(load_model(folder)[0], folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_an_empty_folder_is_filled(saved: Callable[[str], Path], tmp_path: Path) -> None:
    model, _ = load_model(saved("zero"))
    (tmp_path / "empty").mkdir()
    save_model(model, tmp_path / "empty")
    assert sorted(p.name for p in (tmp_path / "empty").iterdir()) == ["extra.json", "manifest.json", "model.json"]


def test_what_cannot_be_saved_is_told(tmp_path: Path) -> None:
    rows = planted(1, 50, 1.0)
    with pytest.raises(NotFittedError, match="call fit"):
        save_model(build("ridge"), tmp_path / "m")
    with pytest.raises(ConfigError, match="only registered models can be saved, got LogisticRegression"):
        save_model(LogisticRegression().fit(rows.X, rows.y), tmp_path / "m")  # type: ignore[arg-type]  # that is the point
    for extra in ({"now": object()}, {"bad": float("nan")}):
        with pytest.raises(ConfigError, match="extra cannot be saved as JSON"):
            save_model(build("ridge").fit(rows.X, rows.y), tmp_path / "m", extra=extra)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = planted(1, 50, 1.0)
    model = build("ridge").fit(rows.X, rows.y)
    calls = iter(range(100))

    def full_disk(handle: int) -> None:
        if next(calls) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(WorkbenchError, match="No space left on device; free space"):
        save_model(model, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []
    save_model(model, tmp_path / "m")
    load_model(tmp_path / "m")


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    rows = planted(1, 50, 1.0)
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkbenchError, match="cannot save a model to"):
        save_model(build("ridge").fit(rows.X, rows.y), tmp_path / "file" / "m")


@pytest.mark.slow
def test_kill_9_while_saving_leaves_all_or_nothing(tmp_path: Path) -> None:
    """The process dies at each fsync in turn: the folder is absent, or loads."""
    code = """
import os, sys, signal
from workbench.models import build, save_model
last, folder = int(sys.argv[1]), sys.argv[2]
real, calls = os.fsync, iter(range(1000))
def fsync(handle):
    real(handle)
    if next(calls) == last:
        os.kill(os.getpid(), signal.SIGKILL)
os.fsync = fsync
save_model(build("zero").fit([[0.0]] * 3, [1, 0, -1]), folder)
"""
    outcomes = []
    for last in (0, 3, 5, 6, 99):
        folder = tmp_path / f"m{last}"
        done = subprocess.run([sys.executable, "-c", code, str(last), str(folder)], check=False, timeout=60)
        if folder.exists():
            load_model(folder)
        outcomes.append((done.returncode, folder.exists()))
    assert outcomes == [(-9, False), (-9, False), (-9, False), (-9, True), (0, True)]


def test_no_pickle_in_the_room() -> None:
    import workbench.models as room

    banned = ("import pickle", "joblib", "torch.load", "torch.save", "allow_pickle=True", "trusted=True")
    for path in Path(room.__file__).parent.glob("*.py"):
        text = path.read_text()
        assert [word for word in banned if word in text] == [], path
