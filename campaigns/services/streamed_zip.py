"""A zip file as it is written: chunk after chunk, without a copy of it on the disk or in memory."""

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

CHUNK_BYTES = 2**20
PACKED = (".npz", ".gz", ".zip", ".xz", ".bz2", ".png")  # deflating these again only costs time


class _Pipe:
    """What a zip file is written into; it cannot seek, so sizes and checksums of members stand behind them."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def drain(self) -> bytes:
        data, self._chunks = b"".join(self._chunks), []
        return data


def stream(
    members: Iterable[tuple[str, Path | bytes]], last: Callable[[dict[str, str], dict[str, int]], tuple[str, bytes]]
) -> Iterator[bytes]:
    """`members` are names and contents; `last` makes one more of the sha256 and the size of each that was written."""
    pipe = _Pipe()
    sums: dict[str, str] = {}
    sizes: dict[str, int] = {}
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:  # type: ignore[call-overload]
        for name, content in members:
            digest = hashlib.sha256()
            sizes[name] = 0
            for chunk in _write(archive, name, content):
                digest.update(chunk)
                sizes[name] += len(chunk)
                yield pipe.drain()
            sums[name] = digest.hexdigest()
        name, content = last(sums, sizes)
        archive.writestr(name, content)
    yield pipe.drain()


def _write(archive: zipfile.ZipFile, name: str, content: Path | bytes) -> Iterator[bytes]:
    """Write one member; yields what was written."""
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_STORED if name.endswith(PACKED) else zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    with archive.open(member, "w", force_zip64=True) as target:
        if isinstance(content, bytes):
            target.write(content)
            yield content
            return
        with content.open("rb") as source:
            while chunk := source.read(CHUNK_BYTES):
                target.write(chunk)
                yield chunk
