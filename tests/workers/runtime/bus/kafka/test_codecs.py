"""What Kafka packs comes out again, damage is an error, and a bomb costs no memory."""

import os
import random
import tracemalloc

import pytest
from kafka import codec as client

from workers.runtime.bus.kafka.reading.codecs import CODECS, Unpackable, unpack

PACKERS = {
    "gzip": client.gzip_encode,
    "snappy": client.snappy_encode,
    "lz4": client.lz4_encode,
    "zstd": client.zstd_encode,
}
NUMBERS = {name: number for number, name in CODECS.items()}
LIMIT = 4_000_000


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("data", [b"", b"a", os.urandom(100_000), b"x" * LIMIT])
def test_what_the_client_packs_comes_out(name: str, data: bytes) -> None:
    assert unpack(NUMBERS[name], PACKERS[name](data), LIMIT) == data


def test_snappy_without_blocks_as_librdkafka_writes_it() -> None:
    packed = client.snappy_encode(b"picture" * 100, xerial_compatible=False)
    assert unpack(2, packed, LIMIT) == b"picture" * 100


@pytest.mark.parametrize("name", PACKERS)
def test_several_parts_are_one_stream(name: str) -> None:
    pack = PACKERS[name]
    two = pack(b"a") + (pack(b"b") if name != "snappy" else pack(b"b")[16:])
    assert unpack(NUMBERS[name], two, LIMIT) == b"ab"


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.slow
def test_a_bomb_stops_at_the_limit(name: str) -> None:
    bomb = PACKERS[name](b"\0" * 200_000_000)
    tracemalloc.start()
    with pytest.raises(Unpackable, match=rf"{name}: more than {LIMIT} bytes .*max_unpacked_bytes"):
        unpack(NUMBERS[name], bomb, LIMIT)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * LIMIT + len(bomb)


@pytest.mark.parametrize("name", ["gzip", "lz4"])
def test_a_million_empty_parts_take_no_time(name: str) -> None:
    with pytest.raises(Unpackable, match="more than 100 parts"):
        unpack(NUMBERS[name], PACKERS[name](b"") * 1_000_000, LIMIT)


@pytest.mark.parametrize("name", PACKERS)
def test_damage_is_an_error_or_other_bytes_never_anything_else(name: str) -> None:
    chance = random.Random(3)  # noqa: S311
    good = PACKERS[name](chance.randbytes(300) + b"picture" * 300)
    for _ in range(3000):
        packed = bytearray(good[: chance.randint(0, len(good))])
        for _ in range(chance.randint(0, 4)):
            if packed:
                packed[chance.randrange(len(packed))] = chance.randrange(256)
        try:
            assert len(unpack(NUMBERS[name], bytes(packed), 100_000)) <= 100_000
        except Unpackable as error:
            assert str(error).startswith(name)


def test_an_unknown_codec_is_named() -> None:
    with pytest.raises(Unpackable, match="codec 7"):
        unpack(7, b"", LIMIT)
