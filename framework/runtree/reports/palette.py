"""The colours of a page, light and dark, and what becomes of a picture's colours on it."""

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "paper": "#ffffff",
    "card": "#f4f6f8",
    "ink": "#1b1f24",
    "soft": "#525b66",
    "line": "#cfd6de",
    "link": "#0b5cad",
    "good": "#17692b",
    "note": "#7a4f00",
    "warning": "#ab241b",
    "blue": "#0072b2",
    "green": "#007a59",
    "pink": "#a9508c",
    "amber": "#a06c00",
    "sky": "#2b83b8",
    "brown": "#7d611b",
    "best": "#b84f00",
}
DARK: Mapping[str, str] = {
    "paper": "#14171c",
    "card": "#1d2229",
    "ink": "#e8eaed",
    "soft": "#a9b1bb",
    "line": "#3d4550",
    "link": "#85bdff",
    "good": "#6cd488",
    "note": "#e6b84c",
    "warning": "#ff938a",
    "blue": "#5eb3e8",
    "green": "#35c79b",
    "pink": "#e39ac5",
    "amber": "#e9a92c",
    "sky": "#8accf2",
    "brown": "#cfb05c",
    "best": "#ff9350",
}
TEXTS = ("ink", "soft", "link", "good", "note", "warning")  # what is read, on the paper and on a card
DRAWN = ("blue", "green", "pink", "amber", "sky", "brown", "best")  # what lines and bars have, on the paper

# What the pictures are drawn with (records/pictures.py and the pictures of sweeps), by what stands for it on a page.
OF_PICTURES: Mapping[str, str] = {
    "#ffffff": "paper",
    "#000000": "ink",
    "#333333": "ink",
    "#555555": "soft",
    "#767676": "soft",
    "#808080": "soft",
    "#999999": "line",
    "#b0b0b0": "line",
    "#bbbbbb": "line",
    "#cccccc": "line",
    "#e6e6e6": "line",
    "#0072b2": "blue",
    "#009e73": "green",
    "#cc79a7": "pink",
    "#e69f00": "amber",
    "#56b4e9": "sky",
    "#8c6d1f": "brown",
    "#d55e00": "best",
}


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb``, from 0 to 1 (WCAG 2.2, definition of relative luminance)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2.2, definition of contrast ratio)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
