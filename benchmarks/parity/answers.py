"""Outputs of one engine for many images, in any Python that has numpy and that engine.

Usage: python -m benchmarks.parity.answers BUNDLE ARTEFACT ENGINE INPUTS.npy OUTPUTS.npy

networks.py runs it, so that an engine that crashes takes nothing with it, and one that needs an
environment of its own has it.
"""

from __future__ import annotations

import sys

import numpy as np

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.engines.adapted import adapt

BATCH = 100


def main(path: str, artefact_path: str, engine: str, inputs: str, outputs: str) -> None:
    images = np.load(inputs, mmap_mode="r")
    with Bundle(path) as bundle:
        manifest = bundle.manifest
        (artefact,) = (one for one in manifest.artefacts if one.path == artefact_path)
        content = bundle.read_artefact(artefact)
    opened = engine_class(engine).open(content.model, weights=content.weights, threads=1)
    model = adapt(opened, manifest, artefact)
    (name,) = (spec.name for spec in manifest.inputs)
    parts = [
        next(iter(model.run({name: np.array(images[i : i + BATCH])}).values()))
        for i in range(0, len(images), BATCH)
    ]
    model.close()
    np.save(outputs, np.concatenate(parts))


if __name__ == "__main__":
    main(*sys.argv[1:])
