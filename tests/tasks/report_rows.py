"""Rows of a small lake with something hostile wherever a text can stand, for the report's tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from data.lake import Lake, TableRef
from data.lake.tables import CONTRACTS

HOSTILE = "<script>alert('x')</script>&\"' $\\frac{$ \x00\u202e https://example.org/x.js"
START = datetime(2024, 3, 1, tzinfo=UTC)


def publish(lake: Lake, name: str, rows: list[dict[str, Any]], **given: Any) -> TableRef:
    contract = CONTRACTS[name]
    return lake.publish(
        contract,
        pa.Table.from_pylist(rows, schema=contract.arrow_schema()),
        recipe="ab" * 32,
        fields={},
        run_id="run-0001",
        **given,
    )


def run_row(**changes: Any) -> dict[str, Any]:
    return {
        "run_id": "run-0001", "flow": HOSTILE, "profile": "quick", "started_at": START,
        "finished_at": START + timedelta(seconds=40), "state": "Failed", "seconds": 40.0,
        "orchestration_seconds": 10.0, "hits": 1, "misses": 2, "commit": "0123456789abcdef+",
        "host": "h", "cores": 2, "device": "cpu", "params": '{"note": "</pre><script>"}',
    } | changes  # fmt: skip


def extraction_rows() -> list[dict[str, Any]]:
    values = {"CODE+": 0.9, "CODE": 0.7, HOSTILE: 0.0}
    return [
        {
            "collection": "c",
            "source": HOSTILE,
            "scope": "held-out",
            "strategy": s,
            "attribute": a,
            "metric": m,
            "value": v,
            "n": 20,
        }
        for s, v in values.items()
        for a in ("Name", "macro", HOSTILE)
        for m in ("text_f1", "pair_f1")
    ]


def document_rows() -> list[dict[str, Any]]:
    text = f"Name: {HOSTILE} and more"
    return [
        {"collection": "c", "batch": 0, "source": HOSTILE, "doc_id": HOSTILE, "kind": "text",
         "text": text, "bytes": 9, "sha256": "0"}
    ]  # fmt: skip


def cell_in_text_rows() -> list[dict[str, Any]]:
    return [
        {"collection": "c", "batch": 0, "source": HOSTILE, "doc_id": HOSTILE, "attribute": a,
         "value": v, "posterior": 0.625, "start": 6, "end": 6 + len(HOSTILE), "functions": ["f"]}
        for a, v in (("Name", HOSTILE), (HOSTILE, "otherwise"), ("None", None))
    ]  # fmt: skip


def function_rows() -> list[dict[str, Any]]:
    return [
        {"collection": "c", "since": 0, "source": HOSTILE, "attribute": HOSTILE,
         "function_id": HOSTILE, "kind": "code", "spec": "{}", "origin": "model", "prompt": HOSTILE,
         "made": 0, "rank": 1, "score": 0.5, "median": 0.5, "coverage": 1.0, "abstain": True,
         "votes": 1, "accuracy": None, "kept": True, "reason": None, "sandbox": "gate"}
    ]  # fmt: skip


def tart_rows() -> list[dict[str, Any]]:
    accuracy = {"tart": 0.6, "logistic regression": 0.9, "bayes": 0.95, "majority": 0.5}
    return [
        {
            "task": HOSTILE, "modality": "synthetic", "base_model": "none", "embedding": "none",
            "method": method, "k": k, "seed": seed, "accuracy": value, "auc": None,
            "brier": 1 - value, "n_test": 500,
        }
        for method, value in accuracy.items() for k in (1, 4, 16) for seed in (0, 1)
    ]  # fmt: skip


def real_rows() -> list[dict[str, Any]]:
    """TART and its rivals on a text task, read in prompts, and on images read as they are."""
    text = {"task": HOSTILE, "modality": "text", "base_model": HOSTILE}
    image = {"modality": "vision", "base_model": "none", "embedding": "raw"}
    methods = {"tart": 0.8, "logistic regression": 0.7, "majority": 0.5}
    rows: list[dict[str, Any]] = [
        text | {"embedding": embedding, "method": method, "accuracy": accuracy}
        for embedding in ("vanilla", "leave-one-out") for method, accuracy in methods.items()
    ]  # fmt: skip
    rows.append(text | {"embedding": "prompt", "method": "icl", "accuracy": 0.55})
    rows += [
        image | {"task": f"digits {pair}", "method": method, "accuracy": accuracy}
        for pair in ("0/1", "0/2") for method, accuracy in methods.items()
    ]  # fmt: skip
    return [row | {"k": 18, "seed": 0, "auc": None, "brier": 0.2, "n_test": 100} for row in rows]


def gap_rows() -> list[dict[str, Any]]:
    return [
        {"task": HOSTILE, "base_model": HOSTILE, "embedding": "leave-one-out", "k": 18,
         "accuracy_icl": 0.5, "accuracy_regression": 0.8, "accuracy_tart": 0.8,
         "accuracy_tuned": 0.9, "gap": 0.4, "gap_representation": 0.1, "gap_reasoning": 0.3,
         "reasoning_share": 0.75},
    ]  # fmt: skip


def training_rows() -> list[dict[str, Any]]:
    return [
        {"step": step, "dimension": 2, "points": 8, "loss": 0.7 - step / 100, "accuracy": 0.5,
         "seconds": 1.0 * step, "weights": b"x" if step == 30 else None, "config": HOSTILE}
        for step in (10, 20, 30)
    ]  # fmt: skip


def forecast_rows() -> list[dict[str, Any]]:
    return [
        {
            "dataset": HOSTILE, "task": "T", "target": "T", "model": model, "lag": 8, "horizon": 4,
            "seed": 0, "lower": float(origin), "upper": float(origin + 9),
            "origin": START + timedelta(hours=origin), "step": step,
            "time": START + timedelta(hours=origin + step), "y": float(origin + step),
            "yhat": origin + step + error * step, "scale": 2.0,
        }
        for model, error in {"spacetime": 0.2, "ridge": 0.1, "last_value": -1.0}.items()
        for origin in range(30) for step in range(1, 5)
    ]  # fmt: skip


def forecast_score_rows() -> list[dict[str, Any]]:
    errors = {"spacetime": 2e-5, "ridge": 1e-5, "last_value": 0.4}
    return [
        {"dataset": HOSTILE, "target": "T", "model": model, "lag": 8, "horizon": 4, "seed": seed,
         "n_windows": 30, "mse": mse, "mae": mse, "coverage": 0.9, "intended_coverage": 0.9,
         "width": 1.0, "parameters": 3, "train_seconds": None, "epoch_seconds": None}
        for model, mse in errors.items() for seed in (0, 1)
    ]  # fmt: skip


def forecast_test_rows() -> list[dict[str, Any]]:
    return [
        {"dataset": HOSTILE, "target": HOSTILE, "rival": "ridge", "lag": 8, "horizon": 4,
         "metric": m, "n_windows": 30, "spacetime": 0.5, "rival_loss": 0.4, "difference": 0.1,
         "statistic": None, "degrees": 0, "p_value": None, "verdict": "level"}
        for m in ("mse", "mae")
    ]  # fmt: skip


def forecaster_spectrum_rows() -> list[dict[str, Any]]:
    return [
        {"dataset": HOSTILE, "target": HOSTILE, "lag": 8, "horizon": 4, "seed": 0,
         "layer": layer, "kernel": 0, "root": root, "real": 0.5, "imaginary": 0.0, "modulus": 0.5}
        for layer in (HOSTILE, "decoder") for root in (0, 1)
    ]  # fmt: skip


def forecaster_trial_rows(transform: str) -> list[dict[str, Any]]:
    return [
        {"dataset": HOSTILE, "target": HOSTILE, "horizon": 4, "lag": 8, "transform": transform,
         "learning_rate": 0.003, "origin": origin, "seed": 9, "validation_mse": 0.25, "epochs": 1,
         "train_seconds": 1.0}
        for origin in (1, 2)
    ]  # fmt: skip


def classification_rows() -> list[dict[str, Any]]:
    return [
        {"dataset": HOSTILE, "model": model, "seed": 0, "accuracy": 0.5, "n_train": 4, "n_test": 2,
         "channels": 1, "classes": 2, "parameters": None, "epochs": None, "train_seconds": None}
        for model in ("majority", "spacetime")
    ]  # fmt: skip


def operator_key(model: str, seed: int) -> dict[str, Any]:
    size = 0 if model == HOSTILE else 4
    return {"dataset": HOSTILE, "resolution": 8, "model": model, "modes": size, "width": size,
            "layers": size, "copies": 1, "seed": seed}  # fmt: skip


def operator_score_rows() -> list[dict[str, Any]]:
    errors = {"t1": 0.02, "fno": 0.04, HOSTILE: 0.5}
    return [
        operator_key(model, seed) | {
            "pde": "p", "viscosity": None, "trained_resolution": 8, "n_test": 5, "frames": 1,
            "relative_l2": error, "last_frame_l2": error, "truncation_floor": None,
            "parameters": 3, "train_seconds": None, "inference_ms": 0.1, "solver_ms": None,
            "break_even_solves": None,
        }
        for model, error in errors.items() for seed in (0, 1)
    ]  # fmt: skip


def operator_rows() -> list[dict[str, Any]]:
    return [
        operator_key(model, 0) | {
            "learning_rate": 0.01, "train_samples": 4, "parameters": 3, "steps": 9,
            "train_seconds": 1.0, "validation_l2": 0.1, "look_seconds": [0.5, 1.0],
            "train_course": [0.5, 0.1],
            "validation_course": [0.6, 0.1], "kept": "[]", "config": HOSTILE, "weights": b"x",
        }
        for model in ("fno",)
    ]  # fmt: skip


def trial_rows() -> list[dict[str, Any]]:
    return [
        operator_key("fno", 0) | {
            "learning_rate": rate, "steps": steps, "seconds": 5.0, "validation_l2": error,
            "chosen": error is not None,
        }
        for rate, steps, error in ((0.01, 7, 0.25), (0.1, None, None))
    ]  # fmt: skip


def spectrum_rows() -> list[dict[str, Any]]:
    return [
        operator_key(model, 0) | {"mode": mode, "error": 0.1 / (1 + mode), "truth": 1.0}
        for model in ("t1", HOSTILE) for mode in range(8)
    ]  # fmt: skip


def field_rows() -> list[dict[str, Any]]:
    y = [float(i) for i in range(64)]
    return [
        operator_key(model, 0) | {
            "sample": 3, "rank": 0.5, "relative_l2": 0.1, "grid": [8, 8], "u": y, "y": y,
            "yhat": y[::-1],
        }
        for model in ("t1", "fno")
    ]  # fmt: skip


def sequence_key(model: str, seed: int) -> dict[str, Any]:
    return {"task": "recall", "model": model, "length": 20, "vocabulary": 10, "variant": "",
            "seed": seed, "width": 32, "layers": 2, "parameters": 9, "train_seconds": 1.0,
            "metric": "accuracy"}  # fmt: skip


def sequence_score_rows() -> list[dict[str, Any]]:
    values = {"h3 x2": 0.99, "attention x2": 0.5, HOSTILE: 0.1}
    return [
        sequence_key(model, seed) | {"test_length": 20, "value": value, "chance": 0.25, "n_test": 5}
        for model, value in values.items()
        for seed in (0, 1)
    ]


def sequence_model_rows() -> list[dict[str, Any]]:
    return [
        sequence_key(model, 0)
        | {"steps": 9, "look_steps": [4, 9], "train_course": [2.0, 1.0], "test_lengths": [20],
           "validation_course": [0.5, 0.9], "tokenizer": None, "held_out": None, "settings": "{}",
           "config": HOSTILE, "weights": b"x"}
        for model in (HOSTILE,)
    ]  # fmt: skip


def convolution_rows() -> list[dict[str, Any]]:
    return [
        {"op": HOSTILE, "L": 64, "D": 8, "batch": 1, "dtype": "float32", "threads": 2,
         "device": "cpu", "ours": "fft_conv", "peer": HOSTILE, "unit": unit, "seconds": None,
         "value": 1.0, "peer_value": 2.0, "ratio": 2.0, "runs": 3, "versions": "{}",
         "measured_at": START}
        for unit in ("s", "bytes")
    ]  # fmt: skip


def win_rows(suite: str = "headwater") -> list[dict[str, Any]]:
    rates = {"tart": (0.5, 0.2, 0.8), "bayes": (1.0, 1.0, 1.0), HOSTILE: (None, None, None)}
    return [
        {"suite": suite, "group": HOSTILE, "table_name": family, "row": row,
         "mean_win_rate": rate, "low": low, "high": high, "n_columns": 3, "mean_score": rate,
         "row_position": position}
        for family in ("accuracy", "calibration")
        for position, (row, (rate, low, high)) in enumerate(rates.items())
    ]  # fmt: skip


def coverage_rows() -> list[dict[str, Any]]:
    return [
        {"suite": HOSTILE, "model": model, "family": family, "cells": 4, "measured": 3,
         "share": 0.75}
        for model in ("tart", HOSTILE) for family in ("accuracy", "calibration")
    ]  # fmt: skip


def offload_rows() -> list[dict[str, Any]]:
    return [
        {"job": "j", "block": 0, "model": HOSTILE, "policy": policy, "tier": tier,
         "cap_bytes": 10, "cost_model": "c", "predicted_tokens_per_s": 2.2, "tokens_per_s": 2.0,
         "prefill_seconds": 1.0, "decode_seconds": 3.0, "requests": 2, "new_tokens": 8,
         "bytes_read": 9, "bytes_written": 1, "weights_read": 8, "cache_read": 1, "peak_bytes": 7,
         "predicted_peak_bytes": 7, "weights_asked": 50.0, "weights_achieved": 49.0,
         "shadow_price": 0.0, "padding_efficiency": 0.5, "backoffs": 0}
        for policy in ("w 100/0/0", HOSTILE) for tier in ("device", "host", "disk")
    ]  # fmt: skip


def cell_rows() -> list[dict[str, Any]]:
    return [
        {"suite": "headwater", "group": HOSTILE, "table_name": "accuracy", "table_title": HOSTILE,
         "row": row, "column": HOSTILE, "lower_is_better": True, "value": value, "trials": 1,
         "runs": [], "row_position": position, "column_position": 0, "run_group": HOSTILE,
         "metric": "m", "strategies": ["win_rate"]}
        for position, (row, value) in enumerate(
            {"tart": 0.00001234, "bayes": 0.5, HOSTILE: None}.items()
        )
    ]  # fmt: skip


def quality_row(check: str, failures: int, snapshot: str = "s") -> dict[str, Any]:
    return {"run_id": "run-0001", "table_name": "tart_scores", "snapshot": snapshot, "check": check,
            "rows": 24, "failures": failures, "holds": not failures}  # fmt: skip


def filled(lake: Lake) -> Lake:
    """A few made-up rows in every table that the report shows."""
    publish(lake, "runs", [run_row()])
    publish(lake, "runs", [run_row(run_id="run-0000", started_at=START - timedelta(days=1))])
    publish(lake, "extraction_scores", extraction_rows())
    publish(lake, "documents", document_rows())
    publish(lake, "extractions", cell_in_text_rows())
    publish(lake, "functions", function_rows())
    scores = publish(lake, "tart_scores", [*tart_rows(), *real_rows()])
    publish(lake, "tart_gaps", gap_rows())
    training = publish(lake, "tart_training", training_rows())
    publish(lake, "forecast_scores", forecast_score_rows())
    publish(lake, "forecasts", forecast_rows())
    publish(lake, "forecast_tests", forecast_test_rows())
    publish(lake, "forecaster_spectra", forecaster_spectrum_rows())
    for transform in ("last", "mean"):
        publish(lake, "forecaster_trials", forecaster_trial_rows(transform))
    publish(lake, "classification_scores", classification_rows())
    publish(lake, "collage_findings", finding_rows())
    publish(
        lake,
        "collage_intervals",
        [
            {
                "method": "full",
                "metric": "iou",
                "mean": 0.5,
                "low": 0.4,
                "high": 0.6,
                "n_collages": 30,
                "n_seeds": 3,
            }
        ],
    )
    publish(lake, "collage_images", [{"source": "held-out", "collage": "c", "method": "full",
                                      "seed": 0, "width": 1, "height": 1, "seconds": 0.1,
                                      "png": b"no picture"}])  # fmt: skip
    publish(lake, "operator_scores", operator_score_rows())
    publish(lake, "operators", operator_rows())
    publish(lake, "operator_trials", trial_rows())
    publish(lake, "operator_spectra", spectrum_rows())
    publish(lake, "operator_fields", field_rows())
    publish(lake, "sequence_scores", sequence_score_rows())
    publish(lake, "sequence_models", sequence_model_rows())
    publish(lake, "conv_benchmarks", convolution_rows())
    publish(lake, "offload_runs", offload_rows())
    publish(lake, "helm_win_rates", win_rows())
    publish(lake, "helm_win_rates", win_rows(HOSTILE))
    publish(lake, "helm_coverage", coverage_rows())
    publish(lake, "helm_cells", cell_rows())
    edges = [
        (training.table, training.snapshot, None, None),
        (scores.table, scores.snapshot, training.table, training.snapshot),
        (scores.table, scores.snapshot, HOSTILE, "gone"),
    ]
    names = ("table_name", "snapshot", "input_table", "input_snapshot")
    publish(
        lake,
        "lineage",
        [{"run_id": "run-0001"} | dict(zip(names, edge, strict=True)) for edge in edges],
    )
    checks = [(HOSTILE, 3), ("has rows", 0)]
    publish(lake, "quality", [quality_row(*check, scores.snapshot) for check in checks])
    unread = {"source": "s", "item": HOSTILE, "position": None, "reason": HOSTILE}
    publish(lake, "quarantine", [unread | {"run_id": "run-0001"}])
    return lake


def finding_rows() -> list[dict[str, Any]]:
    return [{"finding": "f", "value": 0.2, "low": 0.1, "high": 0.3, "bar": 0.1, "holds": True,
             "detail": "d"}]  # fmt: skip
