"""The errors of the compiler, below the runtime's root.

* EdgeCNNError
  + UnsupportedModel
    + NoKernel (targets/native/errors.py)
  + CaptureFailed
  + NonFiniteWeights
  + InputMismatch
  + TargetDiffers
  + LimitMissed
    + WeakQuantisation
  + CalibrationFailed
  + ScalesMismatch
  + CompilerMissing
  + CompilerFailed
  + LicenceNotAccepted
  + OperatorsOnCpu
  + DoesNotFit
  + NotQuantised
  + PlanInvalid (targets/native/errors.py)
  + UnknownTarget (targets/__init__.py)
  + TargetInvalid (targets/__init__.py)
"""

from __future__ import annotations

from edgecnn_runtime.errors import EdgeCNNError


class UnsupportedModel(EdgeCNNError):
    """A graph that cannot be read or brought into canonical form."""


class CaptureFailed(EdgeCNNError):
    """No exporter made an ONNX model that agrees with the original network."""


class NonFiniteWeights(EdgeCNNError):
    """A weight is NaN or infinite."""


class InputMismatch(EdgeCNNError):
    """The preprocessing gives another shape than the network reads."""


class TargetDiffers(EdgeCNNError):
    """The outputs of an artefact in another format differ from the original network's."""


class LimitMissed(EdgeCNNError):
    """A quantised network is further from the float one than was allowed."""


class WeakQuantisation(LimitMissed):
    """An int8 artefact loses more of the original's outputs than int8 should."""


class CalibrationFailed(EdgeCNNError):
    """The ranges of a network's values cannot be measured."""


class ScalesMismatch(EdgeCNNError):
    """Scales from training that are of another graph than the network's."""


class CompilerMissing(EdgeCNNError):
    """A vendor's compiler or simulator is not installed, or is too old."""


class CompilerFailed(EdgeCNNError):
    """A vendor's compiler or simulator refused a network, crashed, or ran out of time."""


class LicenceNotAccepted(EdgeCNNError):
    """The user has not accepted the licence of a vendor's package."""


class OperatorsOnCpu(EdgeCNNError):
    """A compiler leaves operators to the CPU, and that was not allowed."""


class DoesNotFit(EdgeCNNError):
    """A network needs more memory than the board has."""


class NotQuantised(EdgeCNNError):
    """A bundle holds no 8-bit network with an encoding for every result."""
