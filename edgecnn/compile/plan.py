"""Plan of a compilation: targets, what it writes, and the compilers that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from edgecnn.errors import CompileRefused
from edgecnn_exporters.targets.profile import TargetProfile
from edgecnn_exporters.targets.toolchain import Toolchain

BUNDLE = ".edge"
# Family → module with `check_folder` and `write_firmware`.
FIRMWARES: Mapping[str, str] = {
    "mcu": "edgecnn_exporters.targets.mcu.firmware",
    "mcu-native": "edgecnn_exporters.targets.mcu_native.firmware",
}
WEB = "web"


@dataclass(frozen=True)
class CompilePlan:
    """Plan of a compilation.

    Attributes:
        output: the bundle to write; None where a folder is written.
        folder: the folder to write; None where a bundle is.
    """

    bundle: Path
    profiles: tuple[TargetProfile, ...]
    output: Path | None
    folder: Path | None

    @property
    def compiled(self) -> tuple[TargetProfile, ...]:
        """The targets that have a compiler."""
        return tuple(profile for profile in self.profiles if profile.family != WEB)

    def toolchains(self) -> tuple[Toolchain, ...]:
        """The packages that compile and prove, each once."""
        from edgecnn_exporters.targets.compilers import compiler_of

        families = dict.fromkeys(profile.family for profile in self.compiled)
        return tuple(
            dict.fromkeys(each for name in families for each in compiler_of(name).toolchains)
        )


def plan(
    bundle: Path,
    profiles: tuple[TargetProfile, ...],
    output: Path | None,
    *,
    force: bool = False,
) -> CompilePlan:
    """Plan what is written where.

    Args:
        output: a bundle ``NAME.edge``, or a folder for one target that has one; None adds to the
            bundle that is read.
        force: another bundle that holds more, or is of another network, is replaced.

    A link stands for the bundle that it leads to, which is read and replaced in its place.

    Raises:
        CompileRefused: target and output do not go together.
        OutputNotWritable: the bundle's folder is missing or not writable, or the folder for a
            firmware holds files of others under its names.
        OverwriteRefused: the output is another bundle, which holds more or is of another network.
    """
    from edgecnn.bundles.output import behind_link

    bundle = behind_link(bundle)
    if output is None or output.suffix.lower() == BUNDLE:
        if any(profile.family == WEB for profile in profiles):
            raise CompileRefused("web is a page in a folder, not a part of a bundle: -o site/")
        from edgecnn_runtime.atomic import check_writable

        written = bundle if output is None else behind_link(output)
        check_writable(written)
        if not force:
            _refuse_loss(bundle, profiles, written)
        return CompilePlan(bundle, profiles, written, None)
    if len(profiles) != 1 or profiles[0].family not in (*FIRMWARES, WEB):
        raise CompileRefused(_no_folder(profiles, output))
    if output.exists() and not output.is_dir():
        raise CompileRefused(f"-o {output} is a file, expected a folder or NAME{BUNDLE}")
    if profiles[0].family in FIRMWARES:
        import_module(FIRMWARES[profiles[0].family]).check_folder(output)
    return CompilePlan(bundle, profiles, None, output)


def _refuse_loss(bundle: Path, profiles: tuple[TargetProfile, ...], output: Path) -> None:
    """Refuse to replace another bundle by one that holds less.

    Raises:
        OverwriteRefused: it would be.
    """
    from edgecnn.bundles.output import kind_of, refuse_loss
    from edgecnn_runtime.bundle import Bundle

    if not output.is_file() or output.samefile(bundle):
        return
    with Bundle(bundle) as opened:
        manifest = opened.manifest
    kinds = {kind_of(each) for each in manifest.artefacts}
    refuse_loss(output, manifest.name, kinds | {(profile.name, "") for profile in profiles})


def _no_folder(profiles: tuple[TargetProfile, ...], output: Path) -> str:
    """Why no folder can be written, and what to type instead."""
    names = [profile.name for profile in profiles if profile.family != WEB]
    alone = ", and web alone into a folder" if len(names) < len(profiles) else ""
    return (
        f"-o {output} is a folder, which is written for one microcontroller or for web; "
        f"{', '.join(names)} {'go' if len(names) > 1 else 'goes'} into a bundle: -o NAME{BUNDLE}"
        f"{alone}"
    )
