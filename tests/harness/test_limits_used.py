"""verdict.json lists every limit that judged a cell, so that its states can be recomputed."""

from types import SimpleNamespace

from parity.judge.limits import Limit
from parity.output import verdict_json


class ByScope:
    """Limits that are wider in a file than in a stream."""

    def find(self, tensor, mode, metric, network):
        limit = 2.53e-6 if tensor.startswith("rt.") else 2.95e-6
        return Limit("f0.hz", mode, metric, limit, "measured", network_f0=network)


def test_the_limit_of_a_stream_stands_beside_that_of_a_file():
    cells = [SimpleNamespace(tensor=name, mode="chained", metric="relative_rms") for name in ("rt.0.f0.hz", "f0.hz")]
    verdicts = [SimpleNamespace(name="both", ledger=SimpleNamespace(cells=cells * 2))]
    rows = verdict_json.limits_used(verdicts, ByScope(), {"both": True})
    assert [row["limit"] for row in rows] == [2.53e-6, 2.95e-6]
