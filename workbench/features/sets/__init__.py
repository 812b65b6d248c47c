"""Named, versioned feature sets; experiments write their name instead of a list."""

from __future__ import annotations

from workbench.features.sets.alpha158 import ALPHA158
from workbench.features.sets.catalogue import SETS, FeatureSet, FeatureSets, feature_set, load_set
from workbench.features.sets.classic31 import CLASSIC31

__all__ = ["ALPHA158", "CLASSIC31", "SETS", "FeatureSet", "FeatureSets", "feature_set", "load_set"]
