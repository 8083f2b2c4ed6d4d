"""The architectures that edgecnn knows by name. Importing this imports no torch."""

from __future__ import annotations

from dataclasses import replace

from edgecnn.zoo.architecture import CIFAR, IMAGENET, MNIST, Architecture, Family, Form
from edgecnn.zoo.families import FAMILIES

ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: replace(architecture, family=family.name, paper=family.paper)
    for family in FAMILIES
    for architecture in family.architectures
}

__all__ = [
    "ARCHITECTURES",
    "CIFAR",
    "FAMILIES",
    "IMAGENET",
    "MNIST",
    "Architecture",
    "Family",
    "Form",
]
