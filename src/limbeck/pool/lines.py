"""Text files as lines: encoding found by byte order mark, gzip by suffix, and every fault with its line.

Knows nothing of what the lines hold.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO, cast

from limbeck.errors import DataError

LONGEST_LINE = 64 * 1024 * 1024
_CHUNK = 1 << 16

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def lines(path: Path) -> Generator[str, None, None]:
    """The lines of a text file with their ends: UTF-8, or UTF-16/32 with a byte order mark.

    Raises:
        DataError: with `file:line` for a byte that is no text, a NUL or an endless line; for an unreadable file.
    """
    number = 0
    try:
        with _binary(path) as raw:
            encoding = _encoding(raw)
            text = io.TextIOWrapper(raw, encoding=encoding, newline="")
            while line := text.readline(LONGEST_LINE):
                number += 1
                if "\0" in line:
                    raise DataError(
                        f"{path}:{number}: a NUL character, which no text has",
                        hint="Is this a text file? If it is UTF-16, save it as UTF-8 or with a byte order mark.",
                    )
                if len(line) == LONGEST_LINE:
                    raise DataError(f"{path}:{number}: a line of more than {LONGEST_LINE:,} characters")
                yield line
    except UnicodeDecodeError as error:
        raise _bad_byte(path, encoding, error) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}:{number + 1}: cannot be read: {error}") from error


def _binary(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, io.BufferedReader(gzip.GzipFile(path, "rb")))
    return path.open("rb")


def _encoding(raw: BinaryIO) -> str:
    start = raw.read(4)
    raw.seek(0)
    return next((encoding for mark, encoding in _MARKS if start.startswith(mark)), "utf-8")


def _bad_byte(path: Path, encoding: str, cause: UnicodeDecodeError) -> DataError:
    """Read again, to say where: the decoder that failed knew only its own chunk."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, offset = 1, 0
    name = {"utf-8-sig": "utf-8"}.get(encoding, encoding).upper()
    with _binary(path) as raw:
        while chunk := raw.read(_CHUNK):
            try:
                line += decoder.decode(chunk).count("\n")
            except UnicodeDecodeError as error:
                position = offset + len(chunk) - len(error.object) + error.start
                line += _newlines(error.object[: error.start], error.encoding)
                return DataError(
                    f"{path}:{line}: byte {position + 1} of the file (0x{error.object[error.start]:02x}) is not {name}",
                    hint="Save the file as UTF-8.",
                )
            offset += len(chunk)
    return DataError(f"{path}:{line}: the file ends within a character of {name}: {cause.reason}")


def _newlines(raw: bytes, encoding: str) -> int:
    return raw.decode(encoding, "replace").count("\n")
