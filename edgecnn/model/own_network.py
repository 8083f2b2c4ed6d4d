"""A user's own network: from a factory that is imported, or in memory."""

from __future__ import annotations

import importlib
import sys
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from edgecnn.errors import ModelUnusable
from edgecnn.model.loading import load_own
from edgecnn.model.network import Network, NetworkOptions
from edgecnn.model.resolve import Factory, LiveModule
from edgecnn_runtime.errors import first_line


def from_factory(factory: Factory, options: NetworkOptions) -> Network:
    """The network that a user's function makes.

    Raises:
        ModelUnusable: it cannot be imported, fails, or returns no network.
    """
    from torch import nn

    from edgecnn_exporters.capture.prepare import prepare

    shape = needed_shape(factory, options.shape)
    # A script's own folder is not on the path of ours.
    search = list(
        map(str, [*([] if factory.path is None else [factory.path.parent]), *options.search])
    )
    try:
        sys.path[:0] = search
        target = getattr(_module(factory), factory.name)
        is_built = callable(target) and not isinstance(target, nn.Module)
        network = target() if is_built else target
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise ModelUnusable(f"{factory.typed} cannot be built: {reason}") from error
    finally:
        del sys.path[: len(search)]
    if not isinstance(network, nn.Module):
        raise ModelUnusable(
            f"{factory.typed} returned {type(network).__name__}, expected a torch.nn.Module"
        )
    prepared = prepare(network, is_own=is_built)
    loaded = load_own(prepared.module, options.weights, "as built")
    origin = {"factory": factory.typed} | loaded.source
    notes = (*prepared.notes, *loaded.notes)
    return Network(
        prepared.module, factory.name, shape, None, None, origin, notes, trained=loaded.trained
    )


def from_live(source: LiveModule, options: NetworkOptions) -> Network:
    """A copy of a module in memory; a file of weights is loaded into the copy."""
    from edgecnn_exporters.capture.prepare import prepare

    shape = needed_shape(source, options.shape)
    prepared = prepare(source.module)
    if options.weights is not None and prepared.module is source.module:
        raise ModelUnusable(
            f"{source.typed} cannot be copied, and weights={options.weights!r} would change it; "
            "load them yourself, and leave out weights"
        )
    loaded = load_own(prepared.module, options.weights, "in memory")
    origin = {"module": source.typed} | loaded.source
    notes = (*prepared.notes, *loaded.notes)
    return Network(
        prepared.module, source.name, shape, None, None, origin, notes, trained=loaded.trained
    )


def needed_shape(
    source: Factory | LiveModule, shape: tuple[int, int, int] | None
) -> tuple[int, int, int]:
    """The shape of the input, which such a network does not know itself.

    Raises:
        ModelUnusable: it is not given.
    """
    if shape is None:
        raise ModelUnusable(
            f"{source.typed} needs the shape of its input: --input 1x3x224x224, in Python an "
            "example of it or (1, 3, 224, 224)"
        )
    return shape


def _module(factory: Factory) -> ModuleType:
    """The module of a factory; a file is loaded as itself, whatever else has its name."""
    if factory.path is None:
        return importlib.import_module(factory.module)
    spec = spec_from_file_location(factory.module, factory.path)
    if spec is None or spec.loader is None or not factory.path.is_file():
        raise FileNotFoundError(f"there is no file {factory.path}")
    module = module_from_spec(spec)
    sys.modules.setdefault(factory.module, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
