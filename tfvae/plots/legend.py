"""The legend, outside at the right, where it covers no data."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend

from tfvae.plots.style import text

__all__ = ["legend"]


def legend(axes: Axes, **changes: Any) -> Legend:
    """Adds a legend of everything in the axes that has a label.

    Args:
        axes: The axes.
        **changes: Arguments of `Axes.legend` that are set otherwise, such as `title`.

    Returns:
        The legend.
    """
    look = text("tick")
    font = FontProperties(family=look["family"], size=look["fontsize"])
    place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
    plain = {"frameon": False, "labelcolor": look["color"], "title_fontproperties": font}
    made = axes.legend(prop=font, handletextpad=0.4, **(place | plain | changes))
    made.get_title().set_color(look["color"])
    return made
