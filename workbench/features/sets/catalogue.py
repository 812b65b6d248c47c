"""Feature sets: named, versioned lists of features, with a checksum that tells whether two of them are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from workbench.config import did_you_mean
from workbench.errors import ConfigError


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """A named list of features.

    Attributes
    ----------
    name, version
        What experiments write, and a whole number that the author raises when the list changes.
    expressions
        Expression by name; of a plain list the names are the specs themselves.
    named
        Whether the names are the author's own: ``alpha158.KMID`` then means one of them, and they may use each other.
    """

    name: str
    version: int
    description: str
    expressions: Mapping[str, str]
    named: bool
    references: tuple[str, ...] = ()

    @property
    def specs(self) -> list[str]:
        """What `workbench.features.compute` takes, one text a feature."""
        return [f"{self.name}.{n}" if self.named else n for n in self.expressions]

    @property
    def checksum(self) -> str:
        """16 hex digits of names and expressions; the order does not matter."""
        lines = sorted(f"{n} = {e}" for n, e in self.expressions.items())
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.expressions)

    def __repr__(self) -> str:
        return f"<feature set {self.name} v{self.version}: {len(self)} features, {self.checksum}>"


class FeatureSets:
    """Sets by name."""

    def __init__(self) -> None:
        self._sets: dict[str, FeatureSet] = {}
        self.changes = 0
        """How often a set was added: what was parsed before may mean something else now."""

    def add(self, made: FeatureSet) -> FeatureSet:
        """Add a set, or replace one of the same name by a later version or the same list.

        Raises
        ------
        ConfigError
            When the list changed and the version did not.
        """
        old = self._sets.get(made.name)
        if old is not None and old.version >= made.version and old.checksum != made.checksum:
            raise ConfigError(
                f"feature set {made.name!r} v{made.version} is already known with other features; raise its version to"
                f" {old.version + 1}"
            )
        self._sets[made.name] = made
        self.changes += 1
        return made

    def get(self, name: str) -> FeatureSet:
        """Return a set.

        Raises
        ------
        ConfigError
            When the name is unknown; the nearest is suggested.
        """
        if name not in self._sets:
            raise ConfigError(f"there is no feature set {name!r}.{did_you_mean(name, self._sets)}")
        return self._sets[name]

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._sets)

    def __contains__(self, name: object) -> bool:
        return name in self._sets

    def __iter__(self) -> Iterator[FeatureSet]:
        return iter([self._sets[n] for n in self.names()])


SETS = FeatureSets()


def feature_set(
    name: str,
    features: Sequence[str] | Mapping[str, str],
    *,
    version: int = 1,
    description: str = "",
    references: Sequence[str] = (),
    sets: FeatureSets = SETS,
) -> FeatureSet:
    """Register a set; ``features: [NAME]`` in an experiment then stands for all of it.

    Parameters
    ----------
    name
        A plain name that no feature has.
    features
        Specs, or expressions by name, which may use each other.
    version
        Whole number from 1 on; raise it when the list changes.

    Raises
    ------
    ConfigError
        When the declaration is not usable, or the list changed and the version did not.

    Examples
    --------
    >>> from workbench.features.sets import FeatureSets, feature_set
    >>> feature_set("mine", {"fast": "ema(12)", "gap": "close / fast - 1"}, sets=FeatureSets()).specs
    ['mine.fast', 'mine.gap']
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(f"feature set name {name!r} must be a plain name such as 'classic31'")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ConfigError(f"feature set {name!r}: version must be a whole number from 1 on, got {version!r}")
    named = isinstance(features, Mapping)
    expressions = dict(features) if isinstance(features, Mapping) else {str(f): str(f) for f in features}
    if not expressions:
        raise ConfigError(f"feature set {name!r} is empty; give it one or more features")
    if named:
        for part in expressions:
            if not part.isidentifier():
                raise ConfigError(
                    f"feature set {name!r}: {part!r} must be a plain name, so that expressions can use it"
                )
    return sets.add(FeatureSet(name, version, description, MappingProxyType(expressions), named, tuple(references)))


def load_set(path: Path, sets: FeatureSets = SETS) -> FeatureSet:
    """Register the set of a YAML file with the keys name, version, description and features.

    Raises
    ------
    ConfigError
        When the file is missing or cannot be read, or a key is unknown or of another kind.
    """
    import yaml

    try:
        content: Any = yaml.safe_load(path.read_text())
    except FileNotFoundError as err:
        raise ConfigError(f"there is no feature set file {path}; give a path relative to where you stand") from err
    except (OSError, yaml.YAMLError) as err:
        raise ConfigError(f"feature set file {path} cannot be read: {' '.join(str(err).split())}") from err
    keys = ("name", "version", "description", "references", "features")
    if not isinstance(content, dict) or "features" not in content:
        raise ConfigError(f"feature set file {path} has no 'features'; write name:, version: and features: [...]")
    for key in content:
        if key not in keys:
            raise ConfigError(f"feature set file {path} has an unknown key {key!r}.{did_you_mean(str(key), keys)}")
    features = content["features"]
    if not isinstance(features, list | dict):
        raise ConfigError(
            f"feature set file {path}: features must be a list or names with expressions, got {features!r}"
        )
    return feature_set(
        content.get("name", path.stem),
        features,
        version=content.get("version", 1),
        description=content.get("description", ""),
        references=content.get("references", ()),
        sets=sets,
    )
