"""The TFRecord framing and the protocol buffer wire format, as far as the published benchmark files need them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from nas.errors import UserError

_HEADER = Struct("<QI")  # bytes of the record, checksum of those eight bytes
HEAD = _HEADER.size
"""Bytes before a record."""
_FOOTER = Struct("<I")  # checksum of the record
_DOUBLE = Struct("<d")
_LONGEST = 1 << 20  # bytes of a record; those of NAS-Bench-101 have about 400


def masked_crc(content: bytes) -> int:
    """Return the CRC-32C of some bytes, rotated and offset as TFRecord stores it."""
    from google_crc32c import value

    crc: int = value(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def starts_a_record(head: bytes) -> bool:
    """Tell whether a file that starts with these `HEAD` bytes is one of TFRecords."""
    return len(head) == HEAD and _FOOTER.pack(masked_crc(head[:8])) == head[8:]


def read_records(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield the records of an open file, one at a time.

    Args:
        file: positioned at a record.
        path: what to call it.

    Raises:
        UserError: a checksum does not match, or the file ends within a record.
    """
    number = 0
    while head := file.read(_HEADER.size):
        where = f"record {number} of {path}"
        if len(head) < _HEADER.size:
            raise UserError(f"{where} is cut off: obtain the file again")
        length, crc = _HEADER.unpack(head)
        if masked_crc(head[:8]) != crc:
            raise UserError(f"the length of {where} does not match its checksum: the file is damaged, or no TFRecords")
        if length > _LONGEST:
            raise UserError(f"{where} has {length:,} bytes, at most {_LONGEST:,} are expected: is it another file?")
        body = file.read(length + _FOOTER.size)
        if len(body) < length + _FOOTER.size:
            raise UserError(f"{where} is cut off: obtain the file again")
        content = body[:length]
        if masked_crc(content) != _FOOTER.unpack_from(body, length)[0]:
            raise UserError(f"{where} does not match its checksum: the file is damaged, obtain it again")
        yield content
        number += 1


def fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Yield number and value of each field of a protocol buffer message, in the order of the bytes.

    A varint comes as an unsigned int, eight bytes as a float, anything with a length as bytes, four bytes as bytes.

    Raises:
        ValueError: the bytes are no such message.
    """
    place, end = 0, len(message)
    while place < end:
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == 1:
            width = 8
        elif kind == 2:
            width, place = _varint(message, place)
        elif kind == 5:
            width = 4
        else:
            raise ValueError(f"wire type {kind}")
        if number == 0 or width > end - place:
            raise ValueError("a field that leads out of the message" if number else "a field of number 0")
        yield number, _DOUBLE.unpack_from(message, place)[0] if kind == 1 else message[place : place + width]
        place += width


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 64:
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    raise ValueError("a number without end")
