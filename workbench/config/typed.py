"""What all notebooks' parameters share: frozen, strict, checked; and the market that most of them name."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from workbench.config.spec import parse_spec
from workbench.config.suggest import did_you_mean

TIMEFRAMES = ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w")

Symbols = Annotated[list[str], Field(min_length=1)]


class Parameters(BaseModel):
    """Frozen, strict parameters of one notebook; unknown names and wrong types are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    notebook: ClassVar[str] = ""

    def flat(self) -> dict[str, str | int | float | bool]:
        """Return scalars only, lists joined by a comma: what goes to MLflow and on the report."""
        return {k: ", ".join(map(str, v)) if isinstance(v, list) else v for k, v in self.model_dump().items()}

    @field_validator("timeframe", check_fields=False)
    @classmethod
    def _known_timeframe(cls, value: str) -> str:
        if value not in TIMEFRAMES:
            raise ValueError(f"unknown time frame {value!r}.{did_you_mean(value, TIMEFRAMES)}")
        return value

    @field_validator("start", "end", check_fields=False)
    @classmethod
    def _iso_date(cls, value: str) -> str:
        if value and not re.fullmatch(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?(Z|\+00:00)?", value):
            raise ValueError(f"{value!r} is not a date in UTC; write it like '2015-01-31'")
        try:
            datetime.fromisoformat(value or "2000-01-01")
        except ValueError as err:
            raise ValueError(f"{value!r} is no day or time of the calendar ({err})") from None
        return value

    @model_validator(mode="after")
    def _range_in_order(self) -> Self:
        start, end = getattr(self, "start", ""), getattr(self, "end", "")
        if start and end and start >= end:
            raise ValueError(f"start {start!r} is not before end {end!r}; exchange them")
        return self


class MarketParameters(Parameters):
    """Which bars: source, symbols, time frame and range."""

    source: str = Field(
        "sample", description="sample, import, or a synthetic market: gbm, planted, regimes or trending"
    )
    symbols: Symbols = Field(["SPX"], description="one or more symbols, traded as one portfolio")
    timeframe: str = Field("1d", description="bar length: " + " ".join(TIMEFRAMES))
    start: str = Field("", description="first bar, ISO date in UTC; empty = all there is")
    end: str = Field("", description="bars before this ISO date in UTC; empty = all there is")

    @field_validator("source")
    @classmethod
    def _readable_source(cls, value: str) -> str:
        parse_spec(value)
        return value
