"""Plan of an integer network for a microcontroller: 8-bit inputs and outputs, least memory."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_exporters.targets.compilers import IntegerNetwork

# The kernels that every processor has.
KERNELS = "portable"


@dataclass(frozen=True)
class Memory:
    """Memory of a plan on a microcontroller, in bytes.

    Attributes:
        plan_bytes: the file, which stays in flash; weights are read where they lie.
        memory_bytes: what the library is given in RAM: tensors, rings, row pointers. Counted with
            this machine's pointers: a processor of 32 bits takes a little less.
        input_bytes, output_bytes: the caller's arrays.
    """

    plan_bytes: int
    memory_bytes: int
    input_bytes: int
    output_bytes: int

    @property
    def ram_bytes(self) -> int:
        """RAM of all tensors, the caller's too; the stack is not counted."""
        return self.memory_bytes + self.input_bytes + self.output_bytes


def plan_bytes(network: IntegerNetwork) -> bytes:
    """The plan, whose inputs and outputs are the uint8 values of `network.uint8`.

    Raises:
        NoKernel: a node has no kernel.
    """
    import onnx
    import onnx_ir as ir

    from edgecnn_exporters.targets.native.write import plan_of

    model = ir.from_proto(onnx.load_from_string(network.onnx))
    return plan_of(model, least_memory=True, byte_io=True).to_bytes()


def memory_of(plan: bytes) -> Memory:
    """What a plan needs.

    Raises:
        CompilerFailed: the library refuses the plan.
    """
    import edgecnn_native

    try:
        memory = edgecnn_native.memory_size(plan, kernels=KERNELS)
        with edgecnn_native.Model(plan, kernels=KERNELS) as model:
            inputs, outputs = model.inputs, model.outputs
    except edgecnn_native.NativeError as error:
        raise CompilerFailed(f"edgecnn-native refuses its plan: {error}") from error
    return Memory(
        len(plan),
        memory,
        sum(tensor.bytes for tensor in inputs),
        sum(tensor.bytes for tensor in outputs),
    )
