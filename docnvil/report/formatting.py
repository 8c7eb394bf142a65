"""Numbers and settings as text, for people."""

import math

from docnvil.errors import counted


def format_percent(share: float) -> str:
    """Return a share as a percentage: without decimals from ten upward, and never zero for a share above zero.

    Example:
        >>> [format_percent(share) for share in (0.314, 0.0123, 0.00001, 0.0)]
        ['31%', '1.2%', '<0.1%', '0%']
    """
    if 0 < share < 0.0005:
        return "<0.1%"
    return f"{share:.0%}" if share >= 0.0995 or not share else f"{share:.1%}"


def format_number(value: float, digits: int = 1) -> str:
    """Return a number with this many decimals (none if `digits` is negative), a true minus sign, and ∞ for infinity.

    Example:
        >>> format_number(-1234.56), format_number(math.inf), format_number(20.0, -1)
        ('−1,234.6', '∞', '20')
    """
    return f"{value:,.{max(0, digits)}f}".replace("-", "−") if math.isfinite(value) else "∞"


def format_perplexity(value: float) -> str:
    """Return a perplexity with one decimal below a thousand, and with none above."""
    return format_number(value, 0 if value >= 1000 else 1)


def format_count(number: int, noun: str) -> str:
    """Return a number and its noun.

    Example:
        >>> format_count(1, "sample"), format_count(2000, "sample")
        ('1 sample', '2,000 samples')
    """
    return counted(number, noun)


def format_duration(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours.

    Example:
        >>> [format_duration(seconds) for seconds in (0.02, 8.25, 90, 600, 9000)]
        ['<0.1 s', '8.2 s', '90 s', '10 min', '2 h 30 min']
    """
    if seconds < 0.1:
        return "<0.1 s"
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def format_setting(value: object) -> str:
    """Return the value of a setting.

    Example:
        >>> [format_setting(value) for value in (None, True, (200, 50), 0.01, 2000, "adam")]
        ['none', 'yes', '200, 50', '0.01', '2,000', 'adam']
    """
    if value is None or value in ("", (), []):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(format_setting, value))
    return f"{value:.6g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
