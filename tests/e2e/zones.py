"""Availability zones for a cluster on one machine: every proxy has a source address of its zone, and a relay in front of
every server delays by who asks.

    zones = Zones(BUILD, {("az1", "az1"): 100, ("az1", "az2"): 500, ("az2", "az3"): 700})     # µs, there and back
    make_site(documents, azs=3, replicas=2, proxies=3, network=zones)
    zones.wire(backend).set(delay=5000)            # netrig.Wire: whatever happens to one server's network
    zones.set_rtt("az1", "az2", 900)"""
from netrig import Rig

NET = "127.0.%d.0/24"
ADDRESS = "127.0.%d.%d"
FIRST = 10


class Zones:
    """rtt: {(zone, zone): µs}, either way round; pairs that it does not name are as near as loopback."""

    def __init__(self, build, rtt=None, seed=1):
        self.build, self.seed, self.rtt = build, seed, dict(rtt or {})
        self.rig, self.wires, self.names = None, {}, []

    # ---- what Cluster asks for

    def start(self, cluster):
        """All servers have started."""
        self.rig = Rig(self.build, self.seed)
        self.cluster = cluster
        self.names = [cluster.az(i) for i in range(cluster.azs)]
        for b in cluster.backends:
            if b.server:
                self.wires[b.name] = self.rig.wire((b.server.host, b.server.port))
                for i, zone in enumerate(self.names):
                    self.wires[b.name].set(zone=NET % (FIRST + i), delay=self.between(zone, b.entry["az"]) // 2)

    def address(self, backend):
        """Where proxies find it."""
        wire = self.wires[backend.name]
        return wire.host, wire.port

    def settings(self, proxy):
        return {"backend": {"source_address": ADDRESS % (FIRST + self.names.index(proxy.az), int(proxy.name[5:]))}}

    def stop(self):
        code = self.rig.stop() if self.rig else 0
        self.rig = None
        assert code == 0, "the relay ended with status %d" % code

    # ---- what tests ask for

    def between(self, one, other):
        return self.rtt.get((one, other), self.rtt.get((other, one), 0))

    def wire(self, backend):
        return self.wires[backend.name]

    def net(self, zone):
        """The source addresses of a zone's proxies, as netrig's calls take them."""
        return NET % (FIRST + self.names.index(zone))

    def set_rtt(self, one, other, us):
        """From now on."""
        self.rtt.pop((other, one), None)
        self.rtt[one, other] = us
        for b in self.cluster.backends:
            for here, there in {(one, other), (other, one)}:
                if b.name in self.wires and b.entry["az"] == there:
                    self.wires[b.name].set(zone=self.net(here), delay=us // 2)

    def cut_off(self, zone, on=True):
        """The zone and the others do not hear of each other any more, and nobody is told; False: they do again."""
        for b in self.cluster.backends:
            for here in self.names:
                if b.name in self.wires and (here == zone) != (b.entry["az"] == zone):
                    self.wires[b.name].set(zone=self.net(here), hole=int(on))

    def traffic(self):
        """{(proxy's zone, server's zone): bytes that servers sent}"""
        out = {}
        for b in self.cluster.backends:
            if b.name in self.wires:
                for here in self.names:
                    key = here, b.entry["az"]
                    out[key] = out.get(key, 0) + self.wires[b.name].stat(zone=self.net(here))["down"]
        return out
