"""Options of the formats beside ONNX, and the targets that they make."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from edgecnn_exporters.targets import PARTIAL, TARGETS, make_target, target_names

if TYPE_CHECKING:
    from edgecnn_exporters.targets import Target

# In every bundle, whatever is asked for.
ALWAYS = "onnx"
ALL = "all"
NAMES = tuple(name for name in TARGETS if name != ALWAYS)


class Formats(click.ParamType["tuple[str, ...]"]):
    """Comma-separated formats beside ONNX, or ``all``; and compile targets."""

    name = "NAME[,NAME]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = [name.strip().lower() for name in str(value).split(",")]
        known = tuple(target_names())
        compiled = tuple(
            self._compile_target(name, known, param, ctx)
            for name in names
            if name not in (*known, ALL)
        )
        formats = tuple(name for name in (*known, ALL) if name in names and name != ALWAYS)
        return (*formats, *compiled)

    def _compile_target(
        self,
        name: str,
        formats: tuple[str, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        from edgecnn_exporters.targets import UnknownTarget
        from edgecnn_exporters.targets.profile import target_profile

        try:
            return target_profile(name).name
        except UnknownTarget:
            choices = ", ".join((*formats, ALL))
            self.fail(
                f"{name!r} is not a target; choose from {choices}, or a compile target "
                "(edgecnn compile --list)",
                param,
                ctx,
            )


@dataclass(frozen=True)
class TargetFlag:
    """A command-line option that sets one field of one target's options.

    Attributes:
        parameter: the name that click hands the value over by.
        field: of the target's options.
        default: of the command line; the target's options are left as they are by it.
        needs_int8: it says something of 8-bit artefacts alone.
    """

    target: str
    flag: str
    parameter: str
    field: str
    default: object = None
    needs_int8: bool = False


FLAGS = (
    TargetFlag("tflite", "--tflite-io", "tflite_io", "io", "float32", needs_int8=True),
    TargetFlag("tflite", "--max-transposes", "max_transposes", "most_transposes"),
    TargetFlag("native", "--native-io", "native_io", "io", "float32", needs_int8=True),
)
TARGET_OPTIONS = (
    click.option(
        "--target",
        "formats",
        type=Formats(),
        multiple=True,
        help=f"Formats beside ONNX: {', '.join(NAMES)}, or {ALL}; each holds the same scales. And "
        "targets of edgecnn compile.",
    ),
    click.option(
        "--fp16",
        is_flag=True,
        help="Add artefacts with 16-bit weights, in the formats of --target.",
    ),
    click.option(
        "--tflite-io",
        type=click.Choice(["float32", "int8", "uint8"]),
        default="float32",
        show_default=True,
        help="Inputs and outputs of an 8-bit TFLite file; int8 and uint8 leave no float in it.",
    ),
    click.option(
        "--max-transposes",
        type=click.IntRange(0),
        metavar="N",
        help="TRANSPOSE operators that a TFLite file may hold, else the exit code is 6; 0 for "
        "networks of the zoo, any number for others.",
    ),
    click.option(
        "--native-io",
        type=click.Choice(["float32", "uint8"]),
        default="float32",
        show_default=True,
        help="Inputs and outputs of a plan; uint8 leaves no float in it.",
    ),
)


@dataclass(frozen=True)
class TargetChoice:
    """The chosen targets, and the options given for each.

    Attributes:
        half: artefacts with weights of 16 bits too.
        settings: by target, then by field of its options: what is not as by default.
        int8_flags: options given that say something of 8-bit artefacts alone.
        compiled: names of compile targets.
        optional: targets of ``all`` alone that hold not every network.
    """

    names: tuple[str, ...]
    half: bool
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    int8_flags: tuple[str, ...] = ()
    compiled: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()

    def targets(self, *, is_quantised: bool) -> tuple[Target, ...]:
        """Each target with its options.

        Args:
            is_quantised: an 8-bit artefact is asked for.

        Raises:
            click.UsageError: something is asked of 8 bits, or of 16, that nothing will have.
        """
        if self.int8_flags and not is_quantised:
            raise click.UsageError(f"{self.int8_flags[0]}: only with --quantize int8")
        if self.compiled and not is_quantised:
            raise click.UsageError(f"--target {self.compiled[0]}: only with --quantize int8")
        targets = tuple(make_target(name, self.settings.get(name)) for name in self.names)
        made = {"fp32", *(["fp16"] if self.half else []), *(["int8"] if is_quantised else [])}
        unmade = [target for target in targets if made.isdisjoint(target.precisions)]
        for target in unmade:
            if target.name not in self.optional:
                flag = "--quantize int8" if "int8" in target.precisions else "--fp16"
                raise click.UsageError(f"--target {target.name}: only with {flag}")
        if self.half and not any("fp16" in target.precisions for target in targets):
            raise click.UsageError(f"--fp16: {', '.join(self.names)} writes no weights of 16 bits")
        return tuple(target for target in targets if target not in unmade)


def target_options(command: Callable[..., object]) -> Callable[..., object]:
    """The options of the other formats; the command gets them as one `TargetChoice`, `targets`."""

    @functools.wraps(command)
    def gathered(**values: Any) -> object:
        choice = target_choice(values)
        return command(**values, targets=choice)

    for option in reversed(TARGET_OPTIONS):
        gathered = option(gathered)
    return gathered


def target_choice(values: dict[str, Any]) -> TargetChoice:
    """The choice of targets, from values of `TARGET_OPTIONS`, which are taken out of `values`.

    Raises:
        click.UsageError: options that go with a target, without it.
    """
    formats = values.pop("formats")
    every = tuple(dict.fromkeys(name for chosen in formats for name in chosen))
    known = tuple(name for name in target_names() if name != ALWAYS)
    names = tuple(name for name in known if name in every or ALL in every)
    compiled = tuple(name for name in every if name not in (*known, ALL))
    half = values.pop("fp16")
    set_flags = {
        flag: value for flag in FLAGS if (value := values.pop(flag.parameter)) != flag.default
    }
    if half and not names:
        raise click.UsageError(f"--fp16: only with --target {', '.join(NAMES)} or {ALL}")
    settings: dict[str, dict[str, object]] = {}
    for flag, value in set_flags.items():
        if flag.target not in names:
            own = ", ".join(each.flag for each in FLAGS if each.target == flag.target)
            raise click.UsageError(f"{own}: only with --target {flag.target}")
        settings.setdefault(flag.target, {})[flag.field] = value
    int8_flags = tuple(flag.flag for flag in set_flags if flag.needs_int8)
    optional = PARTIAL.intersection(names).difference(every)
    return TargetChoice(names, half, settings, int8_flags, compiled, optional)
