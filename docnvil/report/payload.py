"""Data of a page: JSON, compressed, in text that is safe inside HTML.

The browser decodes it without a request, by `DecompressionStream`. Base64 has no character with a meaning in HTML, so
no document can end the element that holds it.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping


def encode(values: Mapping[str, object]) -> str:
    """Return values as JSON, deflated (zlib), in Base64; the same values give the same text.

    Example:
        >>> encode({"title": "</script>"}) == encode({"title": "</script>"}), "<" in encode({"title": "</script>"})
        (True, False)
    """
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode("utf-8", errors="replace"), level=9)).decode("ascii")


def decode(text: str) -> dict[str, object]:
    """Return the values of a text from `encode`.

    Example:
        >>> decode(encode({"owls": [1, 2]}))
        {'owls': [1, 2]}
    """
    return json.loads(zlib.decompress(base64.b64decode(text)))


def script_json(values: Mapping[str, object]) -> str:
    r"""Return values as JSON that is safe inside an HTML script element: without <, > and &.

    Example:
        >>> print(script_json({"word": "</script>"}))
        {"word":"\u003c/script\u003e"}
    """
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def script_hash(script: str) -> str:
    """Return the source expression that allows exactly this inline script in a content security policy.

    Example:
        >>> script_hash("")
        "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')}'"
