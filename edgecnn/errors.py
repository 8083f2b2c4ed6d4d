"""The errors of the workstation, below the runtime's root.

* EdgeCNNError
  + PackageMissing
  + ArgumentInvalid
  + OptionsRefused
  + UnknownModel
  + ModelUnusable
  + WeightsMissing
  + LayerUnusable
  + CheckpointUnreadable
  + CheckpointMismatch
  + PreprocessUnknown
  + LabelsUnreadable
  + OverwriteRefused
  + FetchError
    - UnknownAsset
    - FetchedDigestMismatch
    - SourceFailed
    - NoWheel (devices/wheels/index.py)
    - IndexUnreachable (devices/wheels/index.py)
  + DataUnreadable
  + UnknownDevice
  + DeviceConfigInvalid
  + DeviceFailed
    - DeviceUnreachable
    - ConnectionLost
    - DeviceUnsuitable
    - EmulationUnavailable
    - IllegalInstruction
    - BrowserUnavailable
    - BrowserDied
    - NativeBuildFailed
    - RemoteFailed (devices/ssh/connection.py)
  + BenchRefused
  + CompileRefused
  + ExtractRefused
  + StripRefused
  + FileUnusable
  + JournalBusy
  + JournalUnreadable
  + PageFailed
  + NotForPages
  + SiteNotWritable
  + RecipeInvalid
  + LossDiverged
  + ResumeRefused
  + StdoutFailed
    - StdoutClosed
"""

from __future__ import annotations

from edgecnn_runtime.errors import EdgeCNNError


class PackageMissing(EdgeCNNError):
    """An optional package that is needed and not installed."""

    def __init__(self, package: str, purpose: str) -> None:
        from edgecnn_runtime.install_hint import install_command

        super().__init__(
            f"{purpose} needs {package}, which is not installed; {install_command(package)}"
        )
        self.package = package


class ArgumentInvalid(EdgeCNNError, ValueError):
    """An argument of the Python API of another type or out of its range."""


class OptionsRefused(EdgeCNNError):
    """Options that do not go together, or not with what they are for; exit code 2."""


class UnknownModel(EdgeCNNError):
    """MODEL names no network of the zoo, no factory and no file."""


class ModelUnusable(EdgeCNNError):
    """A factory or an option that leads to no network."""


class WeightsMissing(EdgeCNNError):
    """A network of the zoo without published weights, and none given."""


class LayerUnusable(EdgeCNNError):
    """A layer that a network lacks, that is of another kind, or that no gradient reaches."""


class CheckpointUnreadable(EdgeCNNError):
    """A checkpoint that is missing, damaged, of another format, or holds more than weights."""


class CheckpointMismatch(EdgeCNNError):
    """A checkpoint that does not fit the network."""


class PreprocessUnknown(EdgeCNNError):
    """A preprocessing that is not known, or does not fit the network's input."""


class LabelsUnreadable(EdgeCNNError):
    """A file of labels that is missing, empty or not text."""


class OverwriteRefused(EdgeCNNError):
    """A bundle that would be replaced by one of another network, or by one that holds less."""


class FetchError(EdgeCNNError):
    """Published weights or data that cannot be fetched."""


class UnknownAsset(FetchError):
    """No asset has that name."""


class FetchedDigestMismatch(FetchError):
    """A fetched file whose digest is not the expected one."""


class SourceFailed(FetchError):
    """One source of a file is unreachable or does not hold it; the next one is tried."""


class DataUnreadable(EdgeCNNError):
    """A data set, or one of its files, that is unknown, damaged or in another format."""


class UnknownDevice(EdgeCNNError):
    """No device has that name."""


class DeviceConfigInvalid(EdgeCNNError):
    """A device profile, or the user's file of devices, that cannot be read or is invalid."""


class DeviceFailed(EdgeCNNError):
    """The agent on a device refused or failed; the message is its own.

    Attributes:
        device: the device that the message names; None where it names none.
    """

    def __init__(self, message: str, *, device: str | None = None) -> None:
        super().__init__(message)
        self.device = device


class DeviceUnreachable(DeviceFailed):
    """No connection: unknown host, no ssh server, unknown host key, or no permission."""


class ConnectionLost(DeviceFailed):
    """The link to a device broke while it was in use."""


class DeviceUnsuitable(DeviceFailed):
    """A device without what the agent needs: Python, a userland with wheels, disk, memory."""


class EmulationUnavailable(DeviceFailed):
    """A board that cannot be emulated here: QEMU, or what builds its userland, is missing."""


class NativeBuildFailed(DeviceFailed):
    """edgecnn-native's sources that are not built for a board: no zig, or zig refuses them."""


class BenchRefused(EdgeCNNError):
    """A measurement that the bundle or the device does not allow.

    Attributes:
        device: the device that the message names; None where it names none.
    """

    def __init__(self, message: str, *, device: str | None = None) -> None:
        super().__init__(message)
        self.device = device


class CompileRefused(EdgeCNNError):
    """A compilation whose targets and output do not go together."""


class JournalBusy(EdgeCNNError):
    """Results that another bench writes at this moment."""


class JournalUnreadable(EdgeCNNError):
    """Results of a bench that are missing, damaged, of another schema or of another run."""


class IllegalInstruction(DeviceFailed):
    """A program used an instruction that its processor lacks, and died of it."""


class BrowserUnavailable(DeviceFailed):
    """No browser is installed, or it does not run."""


class BrowserDied(DeviceFailed):
    """A browser, or its page, ended or hangs."""


class PageFailed(EdgeCNNError):
    """What a page in a browser was asked for failed; the message is its own."""


class NotForPages(EdgeCNNError):
    """A bundle that a web page cannot classify photographs with."""


class SiteNotWritable(EdgeCNNError):
    """A folder that a web page cannot be written into."""


class RecipeInvalid(EdgeCNNError):
    """A training recipe with an unknown or invalid setting."""


class LossDiverged(EdgeCNNError):
    """The loss became infinite or not a number."""


class ResumeRefused(EdgeCNNError):
    """The state on disk is of another training, or of none."""


class StdoutFailed(EdgeCNNError):
    """The result cannot be written on stdout."""


class StdoutClosed(StdoutFailed):
    """The reader of stdout has closed it, as ``head`` does after its last line."""


class ExtractRefused(EdgeCNNError):
    """An extraction of an artefact that a bundle lacks, or into a folder that holds files."""


class StripRefused(EdgeCNNError):
    """A strip that would leave no artefact, or names one that the bundle lacks."""


class FileUnusable(EdgeCNNError):
    """A plain model file that cannot be fed, or is another network than the bundle's."""
