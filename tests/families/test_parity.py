"""The bytes of the original: the published categories and the pixels of its renderer, as hashes."""

import hashlib
import io

import pytest

from ofdb_core.families import fractal_2d
from ofdb_core.formulas import ifs, search

FIRST = {
    1: "2fe76fe188a5ea3084890f576a74d92b6316f71e3e15785c7dc70458f448d34b",
    10: "398e9c3936c5f22038af62361bf170cc8b081b4ceb9ce6930a73a54476af0a3b",
    100: "81549ac0042f90ae9ad643831ca4d0db693b56780e1104e445f08e7298aef777",
    500: "2112bad391df5a837e4457ec9badf7960a3f4ea483617e76fb8adab8667778a4",
    1000: "733c2adaf05be32b89c9abb97de09eb42d9231df4ea025458452a3b931b69d09",
}


@pytest.fixture(scope="module")
def thousand():
    return list(search.first(1000, search.candidates_2d()))


@pytest.mark.slow
def test_the_search_finds_the_published_thousand_byte_for_byte(thousand):
    files, found = io.BytesIO(), thousand
    for count, candidate in enumerate(found, 1):
        ifs.save(candidate.system, files)
        if count in FIRST:
            assert hashlib.sha256(files.getvalue()).hexdigest() == FIRST[count]
    assert [candidate.number for candidate in found[:10]] == [23, 28, 67, 87, 94, 154, 162, 194, 197, 303]
    assert found[-1].number == 42_655 - 1
    assert sum(len(candidate.system) for candidate in found) == 3646


RELEASED = {"weight": 0.2, "draw": "patch_gray", "size": 362, "points": 200_000, "seed": 0}
PIXELS = [
    (0, RELEASED, "0131eb43aa082472f5ef17aab29fa9ebf59ee35eb7bafa11b0d18ce96fff2321"),
    (1, RELEASED, "6bf083590ba8e6f91f975e98fcc6e07fa99454a42031ab64a8ffc5fac40bb3c5"),
    (2, RELEASED, "35f33a4c6fac27d865816f8d81c65b4053b886796ade5293cf81de56b6caa0dc"),
    (10, RELEASED, "29cb1d809f96bf4ffcbedc618e8774c80ccfa73fd8813e443450611161da6a4a"),
    (500, RELEASED, "9942cd46d5f68000d14e119c1d8512f537cc87fc7df3b793f78b4c626eaf20de"),
    (0, {**RELEASED, "weight": 1.0}, "550eec47c35e546dbbdb568b337f4b8e1b2d17159d6d30551452672c50b5efcf"),
    (7, {**RELEASED, "weight": [1] * 6}, "fd3c24d12fea19ef760e936dc5ad86ef785b7f87ccf95c4e8f245efb3922f814"),
]
LARGE = {"weight": 1.0, "draw": "patch_gray", "size": 512, "points": 100_000, "seed": 1}
SMALL = {"weight": 1.0, "size": 256, "points": 100_000, "seed": 0}
PIXELS += [
    (0, LARGE, "0481cae3887c19e84addd271982f42792937e24db9e74be66d3a2918383dc89e"),
    (1, LARGE, "ffe46179e93a859a1809cdca482eb5da9d7f3b65ad7fb69fcb0eebbf8f292a00"),
    (0, {**SMALL, "draw": "point_gray"}, "1427ed33e09e8136b388ba1bb14934aa01bc3c1864785eeb43c42004b9184fb6"),
    (1, {**SMALL, "draw": "point_gray"}, "ee8896c5ad6c045641d87a10ac9831960ca6438d222c9fa2f2a269daad68d4b1"),
    (2, {**SMALL, "draw": "point_gray"}, "e488b8b2000b9fe7f4e9a6862556560d1c79848eac92da3269d6690959c9bd2f"),
    (0, {**SMALL, "draw": "patch_color"}, "84d5f04c197167825d47dbbc40f8fb76b9b37eff43fbe67f7085c12a7492879e"),
    (1, {**SMALL, "draw": "patch_color"}, "c7e4121cdce5e1e4ca95401bb56c247cdad077b82f052f8a339eabf1fe8ab46e"),
    (0, {**SMALL, "draw": "point_color"}, "a707d90c7088734cb3d5b6e21fb1c283648fe7d0be9270c1957ff84ccb6abb15"),
    (1, {**SMALL, "draw": "point_color"}, "3cd9897de79e0296255afa264e07c5c10f3c4fd663586a96f5fd48ce6ebff306"),
]


@pytest.mark.parametrize(("category", "how", "known"), PIXELS)
@pytest.mark.slow
def test_the_renderer_makes_the_originals_pixels(thousand, category, how, known):
    assert hashlib.sha256(fractal_2d.rgb(thousand[category].system, **how).tobytes()).hexdigest() == known
