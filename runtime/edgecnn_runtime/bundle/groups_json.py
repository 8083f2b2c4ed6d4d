"""Strict parser of the groups of output channels in a manifest."""

from __future__ import annotations

from edgecnn_runtime.bundle.json_fields import JsonFields, each, index, number, shown, text
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.manifest import ChannelGroup, Manifest

# Groups of one output, at most, and channels along an axis whose extent is not fixed.
MOST = 4096
DYNAMIC = 1 << 16


def group_from_json(value: object, where: str) -> ChannelGroup:
    """Read a group of output channels strictly.

    Raises:
        ManifestInvalid: a field is missing, unknown, of the wrong type or out of range.
    """
    fields = JsonFields(value, where)
    group = ChannelGroup(
        axis=fields.optional("axis", index),
        channels=each(fields.take("channels", list), f"{where}.channels", _index_range),
        low=fields.number("low"),
        high=fields.number("high"),
        full_scale=fields.optional("full_scale", number),
        meaning=fields.optional("meaning", text),
    )
    fields.finish()
    return group


def _index_range(value: object, where: str) -> tuple[int, int]:
    if isinstance(value, list) and len(value) == 2:
        low, high = index(value[0], where), index(value[1], where)
        if low < high:
            return low, high
    raise ManifestInvalid(f"{where} is {shown(value)}, expected [first, behind the last]")


def check_groups(manifest: Manifest) -> None:
    """Check that groups, and the SQNR listed for them, are of outputs and as many."""
    shapes = {spec.name: spec.shape for spec in manifest.outputs}
    for name, groups in manifest.groups.items():
        if name not in shapes:
            raise ManifestInvalid(f"groups names {name!r}, which is no output of {manifest.name}")
        for group in groups:
            _check_channels(group, name, shapes[name])
        named = sum(high - low for group in groups for low, high in group.channels)
        axes = {group.axis for group in groups}
        most = sum(1 if axis is None else shapes[name][axis] or DYNAMIC for axis in axes)
        if named > most or len(groups) > MOST:
            raise ManifestInvalid(
                f"the {len(groups)} groups of {name!r} list {named} channels, the output "
                f"{shapes[name]} has at most {most}; each channel is in one group"
            )
    for artefact in manifest.artefacts:
        for name, listed in (*artefact.sqnr_db.items(), *artefact.outside_db.items()):
            if len(listed) != len(manifest.groups.get(name, ())):
                raise ManifestInvalid(
                    f"artefact {artefact.path!r} lists {len(listed)} SQNR of {name!r}, expected "
                    f"one for each of its {len(manifest.groups.get(name, ()))} groups"
                )


def _check_channels(group: ChannelGroup, output: str, shape: tuple[int | None, ...]) -> None:
    last = max((high for _, high in group.channels), default=0)
    if group.axis is None:
        is_right = group.channels == ((0, 1),)
    else:
        extent = shape[group.axis] if group.axis < len(shape) else 0
        is_right = 0 < last <= (DYNAMIC if extent is None else extent)
    if not is_right:
        raise ManifestInvalid(
            f"a group of {output!r} has channels {group.channels} of axis {group.axis}, which the "
            f"output {shape} has not"
        )
