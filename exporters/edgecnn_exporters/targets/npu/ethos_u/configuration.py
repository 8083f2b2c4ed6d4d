"""Configuration of an Ethos-U system: accelerator, bus, memories and clock, as Vela names them."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn_exporters.targets.profile import TargetProfile

# Arm's file of reference systems, which comes with Vela.
REFERENCE_SYSTEMS = "Arm/vela.ini"


@dataclass(frozen=True)
class Configuration:
    """An Ethos-U system, from a target's profile.

    Attributes:
        accelerator: NPU and its multiply-adds a cycle: "ethos-u55-128".
        system_config: clock and bandwidths, a section of `REFERENCE_SYSTEMS`.
        memory_mode: where weights and activations lie, a section of `REFERENCE_SYSTEMS`.
        board: whose SRAM `sram_bytes` is.
        sram_bytes: SRAM for activations; None where they lie in DRAM.
    """

    accelerator: str
    system_config: str
    memory_mode: str
    board: str = ""
    sram_bytes: int | None = None

    @classmethod
    def of(cls, profile: TargetProfile) -> Configuration:
        """The system of a profile."""
        return cls(**profile.settings)

    @property
    def macs_per_cycle(self) -> int:
        """Multiply-adds a cycle of the NPU."""
        return int(self.accelerator.rpartition("-")[2])

    @property
    def generation(self) -> str:
        """The NPU without its size: "ethos-u55"."""
        return self.accelerator.rpartition("-")[0]

    @property
    def flags(self) -> tuple[str, ...]:
        """Vela's options for it; without one, Vela warns that its default may not hold."""
        flags = (
            f"--accelerator-config={self.accelerator}",
            f"--config={REFERENCE_SYSTEMS}",
            f"--system-config={self.system_config}",
            f"--memory-mode={self.memory_mode}",
            "--optimise=Performance",
        )
        # Vela makes activations smaller, at the price of cycles, only where they exceed this.
        size = self.sram_bytes
        return flags if size is None else (*flags, f"--arena-cache-size={size}")
