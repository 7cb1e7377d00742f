"""The checksum of a TFRecord's header: CRC-32C of eight bytes, masked, for many of them at once."""

from __future__ import annotations

import numpy as np

__all__ = ["masked_crc"]

_POLYNOMIAL = 0x82F63B78  # Castagnoli's polynomial, with its bits reversed
_MASK = 0xA282EAD8  # the mask of the format: data may hold checksums themselves


def _table() -> np.ndarray:
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = np.where(crc & 1, (crc >> 1) ^ np.uint32(_POLYNOMIAL), crc >> 1)
    return crc


_TABLE = _table()


def masked_crc(data: np.ndarray) -> np.ndarray:
    """Checksums as they stand in TFRecord files.

    Args:
        data: uint8 `[n, bytes]`.

    Returns:
        uint32 `[n]`.
    """
    crc = np.full(len(data), 0xFFFFFFFF, np.uint32)
    for column in data.T:
        crc = _TABLE[(crc ^ column) & 0xFF] ^ (crc >> 8)
    crc = ~crc
    return ((crc >> 15) | (crc << 17)) + np.uint32(_MASK)
