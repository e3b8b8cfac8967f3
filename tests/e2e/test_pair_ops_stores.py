"""A side drained and restored under load with the map in etcd and in consul: journal, lock and proxies' records go there too."""
import pytest

from keyway_dev import Failure
from operator_account import Ctl, OperatedCluster
from test_pair_ops import DOC, PATIENT, SCHEMA, Load


@pytest.mark.parametrize("kind", ["etcd", "consul"])
def test_a_side_moves_under_load(make_site, only_cluster, kind):
    try:
        site = make_site([DOC], cluster_class=OperatedCluster, proxies=2, store=kind)
    except Failure as x:
        if "could not be fetched" in str(x) or "no Debian mirror" in str(x):
            pytest.skip(str(x))
        raise
    ctl = Ctl(site)
    odd, even = (site.cluster.backend(n) for n in ("s1o", "s1e"))
    conn = site.connect()
    with conn.cursor() as cur:
        for statement in SCHEMA:
            cur.execute(statement)
    conn.close()
    site.cluster.wait_replicas()
    with Load(site) as load:
        for side in ("even", "odd"):
            for verb in ("drain", "restore"):
                ctl.run("side", verb, "shop", "-", side, *PATIENT)
                print(kind, verb, side, [line.strip() for line in ctl.said.split("\n") if "waited" in line])
                load.more()
    print("%d steps of clients, the longest %.3f s" % (load.done, load.longest))
    site.cluster.wait_replicas()
    load.verify(odd, even)
    assert ctl.json("pair", "diff", "shop") == []
    assert {o["phase"] for o in ctl.json("ops", "list", admin=False)} == {"done"}
