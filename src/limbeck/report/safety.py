"""Texts made safe to show: control characters made visible, paths of this machine and secrets taken out, lengths cut.

Knows nothing of metrics, HTML or charts. Escaping is left to Jinja2's autoescape.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

# Zero-width joiners stay: emoji and several scripts need them, and they cannot reorder or hide text.
_KEPT_FORMATS = "\u200c\u200d\u00ad"
_KEPT_CONTROLS = "\n\t"
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_TAGS = range(0xE0020, 0xE0080)

_QUOTED_PATH = re.compile(r"""(?P<quote>["'`])(?:file://)?(?:~?/|[A-Za-z]:[\\/])[^"'`\n]*(?P=quote)""")
_HOME = re.compile(r"(?<![\w.…-])(?:file://)?(?:/(?:home|Users)|[A-Za-z]:[\\/]Users)[\\/][^\\/\n\"'`:,;]+(?=[\\/])")
_POSIX_PATH = re.compile(
    r"(?<![\w.…/<-])(?:file://)?"
    r"(?:~(?:/[^\s/\"'`,;:()<>|]+)+"
    r"|/(?:[^\s/\"'`,;:()<>|]+/)+[^\s/\"'`,;:()<>|]*"
    r"|/(?:home|Users|root|tmp|var|mnt|opt|srv|data|workspace)\b)"
)
_WINDOWS_PATH = re.compile(r"(?<!\w)(?:[A-Za-z]:[\\/]|\\\\)[^\s\"'`,;()<>|]+")
_SECRETS = re.compile(
    r"\b(?:hf_|ghp_|gho_|github_pat_|glpat-|sk-|xox[abp]-|AKIA)[A-Za-z0-9_\-]{12,}"
    r"|(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"
    r"|(?i:(?<=bearer ))[A-Za-z0-9._~+/\-]{8,}=*"
)
_NAMED_SECRET = re.compile(
    r"(?i)\b((?:[A-Z0-9]+[_-])*(?:api[_-]?key|access[_-]?key|token|password|passwd|secret))(\s*[:=]\s*|\s+(?=[\"']))"
    r"([\"']?)[^\s\"',;]+\3"
)


def visible(text: str) -> str:
    """Spell out what a reader could not see or what would reorder the text: `⟨U+202E⟩` for a bidi control, `␀` for NUL.

    Line feeds and tabs stay; lone surrogates are spelt out too, so the result can always be written as UTF-8.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spell(character) for character in text.replace("\r\n", "\n"))


def all_visible(value: Any) -> Any:
    """`visible` for every string of a JSON value, keys included."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(key)): all_visible(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [all_visible(inner) for inner in value]
    return value


def _spell(character: str) -> str:
    code = ord(character)
    if character in _KEPT_CONTROLS or character in _KEPT_FORMATS or code in _TAGS:
        return character
    if unicodedata.category(character) not in _HIDDEN_CATEGORIES:
        return character
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"⟨U+{code:04X}⟩"


def without_traces(text: str) -> str:
    """Take out what tells about the machine or its owner: absolute paths keep only their last name, secrets go."""
    text = _NAMED_SECRET.sub(r"\1\2[removed]", _SECRETS.sub("[removed]", text))
    text = _QUOTED_PATH.sub(lambda found: f"{found['quote']}{_last(found[0][1:-1])}{found['quote']}", text)
    text = _HOME.sub("…", text)
    text = re.sub(r"…[\\/](?:[^\s\\/\"'`,;:()<>|]+[\\/])*", "…/", text)
    text = _POSIX_PATH.sub(lambda found: _last(found[0]), text)
    return _WINDOWS_PATH.sub(lambda found: _last(found[0]), text)


def _last(path: str) -> str:
    name = re.split(r"[\\/]", path.rstrip("\\/"))
    # A folder right under the root (/root, /home/somebody) is itself the trace.
    return f"…/{name[-1]}" if len(name) > 2 and name[-2] not in ("home", "Users") else "…"


def cut(text: str, most: int) -> str:
    """At most about `most` characters of `text`, saying how long it was."""
    if len(text) <= most:
        return text
    return f"{text[:most].rstrip()} … ({len(text):,} characters in all)"
