"""The other name servers, each configured for its best on one core: no logging, one worker, no limits."""
import glob
import os

import data
from data import CONTINENT_REGION, DEFAULT_REGION, ORIGIN, REGIONS, tenant
from servers import SOCKET_BUFFER, Server


class Gdnsd(Server):
    def prepare(self):
        for folder in ("zones", "run", "state/extfile"):
            os.makedirs(self.path(folder), exist_ok=True)
        self.write_zone("zones/" + ORIGIN)
        self.write("config", f"""
options => {{
  listen => 127.0.0.1:{self.port}
  udp_threads => 1
  tcp_threads => 1
  tcp_clients_per_thread => 2000
  udp_rcvbuf => {SOCKET_BUFFER}
  udp_sndbuf => {SOCKET_BUFFER}
  run_dir => "{self.dir}/run"
  state_dir => "{self.dir}/state"
}}
{self.plugins()}""")

    def plugins(self):
        return ""

    def command(self):
        return ["gdnsd", "-c", self.dir, "start"]


class GdnsdGeo(Gdnsd):
    """geoip: continents choose one monitored address per region; its state comes from a file, all up."""
    workload = "geo"

    def plugins(self):
        self.write("ext", "# all up\n")
        order = {r: ", ".join([REGIONS[r]] + [x for x in REGIONS if x != REGIONS[r]]) for r in range(len(REGIONS))}
        continents = "".join(f"    {c} => [ {order[r]} ]\n" for c, r in CONTINENT_REGION.items())
        resources = "".join(self.resource(i) for i in range(self.sets()))
        return f"""
service_types => {{ ext => {{ plugin => extfile, file => "{self.dir}/ext", direct => true, interval => 10 }} }}
plugins => {{
 geoip => {{
  maps => {{ m => {{
   geoip2_db => "{self.mmdb}"
   datacenters => [ {", ".join(REGIONS)} ]
   map => {{
{continents}    default => [ {order[DEFAULT_REGION]} ]
   }}
  }} }}
  resources => {{
{resources}  }}
 }}
{self.more_plugins()}}}
"""

    def resource(self, number):
        places = ", ".join(f"{x} => {self.address(number, r)}" for r, x in enumerate(REGIONS))
        return f"   r{number} => {{ map => m, service_types => ext, dcmap => {{ {places} }} }}\n"

    def more_plugins(self):
        return ""

    def write_zone(self, name):
        data.write_zone(self.path(name), self.names, lambda i: f"DYNA geoip!r{self.own(i)}")


class GdnsdGeoWeighted(GdnsdGeo):
    """geoip, then weighted: two members a region."""
    members = 2

    def resource(self, number):
        places = ", ".join(f"{x} => %weighted!r{number}-{x}" for x in REGIONS)
        return f"   r{number} => {{ map => m, dcmap => {{ {places} }} }}\n"

    def more_plugins(self):
        members = "".join(
            f"  r{i}-{x} => {{ a => [ {self.address(i, r, 0)}, 3 ], b => [ {self.address(i, r, 1)}, 1 ] }}\n"
            for i in range(self.sets()) for r, x in enumerate(REGIONS))
        return f" weighted => {{\n  service_types => ext\n{members} }}\n"


class Knot(Server):
    def prepare(self):
        for folder in ("run", "db"):
            os.makedirs(self.path(folder), exist_ok=True)
        self.write_zone("zone")
        module, zone_line = self.module()
        self.write("knot.conf", f"""
server:
    listen: 127.0.0.1@{self.port}
    rundir: "{self.dir}/run"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    tcp-max-clients: 2000
    edns-client-subnet: on
    version: ""
    identity: ""
log:
  - target: stderr
    any: warning
database:
    storage: "{self.dir}/db"
{module}
zone:
  - domain: {ORIGIN}
    file: "{self.dir}/zone"
    zonefile-load: whole
    zonefile-sync: -1
    journal-content: none
{zone_line}""")

    def module(self):
        return "", ""

    def command(self):
        return ["knotd", "-c", self.path("knot.conf")]


class KnotGeo(Knot):
    workload = "geo"

    def module(self):
        """One entry for each tenant and continent; the default region is the zone's own record."""
        if not glob.glob("/usr/lib/*/knot/modules-*/geoip.so"):
            raise RuntimeError("Debian's knot-module-geoip is not installed")
        others = [(c, r) for c, r in CONTINENT_REGION.items() if r != DEFAULT_REGION]
        with open(self.path("geo.conf"), "w") as f:
            for i in range(self.names):
                f.write(f"{tenant(i)}.{ORIGIN}:\n")
                f.writelines(f" - geo: {c}\n   A: {self.address(self.own(i), r)}\n" for c, r in others)
        return f"""
mod-geoip:
  - id: geo
    config-file: "{self.dir}/geo.conf"
    ttl: 30
    mode: geodb
    geodb-file: "{self.mmdb}"
    geodb-key: [ continent/code ]
""", "    module: [ mod-geoip/geo ]\n"


class Nsd(Server):
    def prepare(self):
        self.write_zone("zone")
        self.write("nsd.conf", f"""
server:
    ip-address: 127.0.0.1@{self.port}
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "{self.dir}"
    database: ""
    pidfile: "{self.dir}/pid"
    xfrdfile: "{self.dir}/xfrd"
    xfrdir: "{self.dir}"
    zonelistfile: "{self.dir}/zonelist"
    logfile: "{self.dir}/nsd.log"
    rrl-ratelimit: 0
    tcp-count: 2000
    receive-buffer-size: {SOCKET_BUFFER}
    send-buffer-size: {SOCKET_BUFFER}
    minimal-responses: yes
    hide-version: yes
    verbosity: 1
remote-control:
    control-enable: no
zone:
    name: {ORIGIN}
    zonefile: "{self.dir}/zone"
""")

    def command(self):
        return ["nsd", "-d", "-c", self.path("nsd.conf")]


class Named(Server):
    def prepare(self):
        self.write_zone("zone")
        self.write("named.conf", f"""
options {{
    directory "{self.dir}";
    listen-on port {self.port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file "{self.dir}/pid";
    session-keyfile "{self.dir}/session.key";
    managed-keys-directory "{self.dir}";
    recursion no;
    minimal-responses yes;
    allow-transfer {{ none; }};
    notify no;
    querylog no;
    tcp-clients 2000;
}};
controls {{ }};
zone "{ORIGIN}" {{ type primary; file "{self.dir}/zone"; masterfile-format text; }};
""")

    def command(self):
        return ["named", "-f", "-n", "1", "-c", self.path("named.conf")]


class Pdns(Server):
    def prepare(self):
        os.makedirs(self.path("sock"), exist_ok=True)
        self.write_zone("zone")
        self.write("named.conf", f'zone "{ORIGIN}" {{ type master; file "{self.dir}/zone"; }};\n')
        self.write("pdns.conf", f"""
launch=bind
bind-config={self.dir}/named.conf
local-address=127.0.0.1
local-port={self.port}
socket-dir={self.dir}/sock
receiver-threads=1
distributor-threads=1
signing-threads=1
reuseport=no
max-tcp-connections=2000
max-queue-length=50000
overload-queue-length=0
loglevel=3
log-dns-details=no
security-poll-suffix=
version-string=anonymous
zone-cache-refresh-interval=0
""")

    def command(self):
        return ["pdns_server", "--config-dir=" + self.dir, "--daemon=no", "--guardian=no", "--write-pid=no"]
