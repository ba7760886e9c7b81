"""When a certificate ends: the one field of X.509 that is needed, read from its DER."""

from datetime import UTC, datetime

_SEQUENCE, _EXPLICIT, _UTC_TIME, _GENERAL_TIME = 0x30, 0xA0, 0x17, 0x18


def end_of_certificate(der: bytes) -> datetime:
    """notAfter. Raises `ValueError` or `IndexError` for what is no certificate."""
    certificate = _content(der, 0, _SEQUENCE)
    parts = _parts(_content(certificate, 0, _SEQUENCE))
    # version (explicit, optional), serial number, algorithm, issuer, validity
    validity = parts[4 if parts[0][0] == _EXPLICIT else 3]
    (_, _), (kind, text) = _parts(validity[1])
    return _moment(kind, text.decode("ascii"))


def _moment(kind: int, text: str) -> datetime:
    if kind not in (_UTC_TIME, _GENERAL_TIME):
        raise ValueError("no time")
    if kind == _UTC_TIME:  # two digits of a year: 50 to 49
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(data):
        start, end = _span(data, at)
        found.append((data[at], data[start:end]))
        at = end
    return found


def _content(data: bytes, at: int, tag: int) -> bytes:
    if data[at] != tag:
        raise ValueError("no certificate")
    start, end = _span(data, at)
    return data[start:end]


def _span(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of an element begins and ends."""
    length, start = data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        if not 0 < size <= 4:
            raise ValueError("no definite length")
        length = int.from_bytes(data[start : start + size])
        start += size
    if start + length > len(data):
        raise ValueError("cut")
    return start, start + length
