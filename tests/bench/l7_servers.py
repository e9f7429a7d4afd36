"""The proxies of `run l7`: the same work for each. Requests of N tenants, told apart by Host through a table, go to
one origin over pooled connections with X-Tenant-ID, X-Forwarded-For and X-Forwarded-Proto; a host that nobody has
is refused; each tenant has a limit of rate and one of concurrency. h2o has no limits and sets no fields of the
request but its own.

A server has a task: `base` (limits that are never reached), `deny` (everything is refused with 429), `log` (base with
an access log), `noisy` (tenant 0 has tight limits, the others wide ones); and as many names as certificates where it
is asked for TLS.
"""
import json
import os
import resource
import socket

import l7_certificates
import servers

SECONDS_LONG = 600  # that idle connections stay
FILES_MAX = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
CONNECTIONS_MAX = min(60000, (FILES_MAX - 500) // 2)  # of clients; HAProxy wants to be sure of two files for each
HIGH_RATE = 900000  # requests a second that no tenant reaches
NOISY = {"rate": 1000, "concurrency": 50, "connections": 100}  # what tenant 0 may of `noisy`
QUIET_RATE = 10000
ZONE = """$ORIGIN example.test.
@ 300 SOA ns1 hostmaster 1 3600 600 86400 60
@ 300 NS ns1
ns1 300 A 192.0.2.53
"""


def host(number):
    return f"t{number}.example.test"


def one_answer(port, name, path="/128", timeout=1.0):
    """The status of a plain request, None where there was no answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            line = client.recv(64)
            return int(line.split()[1]) if line.startswith(b"HTTP/1.") else None
    except (OSError, ValueError, IndexError):
        return None


class Program(servers.Server):
    """Something that listens; ready when it accepts."""

    def prepare(self):
        pass

    def is_ready(self):
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex(("127.0.0.1", self.port)) == 0


class Origin(Program):
    def command(self):
        return [self.config["build"] + "/tests/bench/l7_origin", "-l", str(self.port)]


class Proxy(Program):
    """config beside servers.Server's: origin (its port), work, tls (whether), certificates (their folder)."""
    has_limits = True
    is_floor = False

    def __init__(self, config, index):
        super().__init__(config, index)
        self.tls_port = servers.free_port()
        self.origin, self.task, self.is_tls = config["origin"], config["task"], config["tls"]
        self.certificates = config["certificates"]

    def is_ready(self):
        """The last tenant's request comes through, or is refused."""
        return one_answer(self.port, host(self.names - 1)) in (200, 429)

    def file_of(self, number, kind):
        return os.path.join(self.certificates, f"t{number}.{kind}")


class Relay(Proxy):
    has_limits = False
    is_floor = True

    def command(self):
        return [self.config["build"] + "/tests/bench/l7_relay", "-l", str(self.port), "-o", str(self.origin)]


class Nginx(Proxy):
    def prepare(self):
        deny = self.task == "deny"
        tenants = "".join(f"    {host(i)} t{i};\n" for i in range(self.names))
        noisy = (f"limit_req zone=noisy burst={NOISY['rate']} nodelay; limit_conn noisy_now {NOISY['concurrency']};", f"""
  map $tenant $noisy {{ default ""; t0 t0; }}
  limit_req_zone $noisy zone=noisy:1m rate={NOISY['rate']}r/s;
  limit_conn_zone $noisy zone=noisy_now:1m;""") if self.task == "noisy" else ("", "")
        location = f"""
    if ($tenant = "") {{ return 404; }}
    location / {{
      limit_req zone=rate {'nodelay' if deny else 'burst=100000 nodelay'};
      limit_conn concurrency 50000;
      {noisy[0]}
      proxy_pass http://origin;
    }}"""
        names = [f"server {{ listen 127.0.0.1:{self.port}; server_name _; {location} }}"]
        if self.is_tls:
            names += [f"server {{ listen 127.0.0.1:{self.tls_port} ssl; server_name {host(i)};\n"
                      f"  ssl_certificate {self.file_of(i, 'crt')}; ssl_certificate_key {self.file_of(i, 'key')};"
                      f"{location} }}" for i in range(self.names)]
        log = f"access_log {self.path('access.log')} combined buffer=64k flush=1s;" if self.task == "log" else \
            "access_log off;"
        self.write("nginx.conf", f"""
daemon off; worker_processes 1; {'user root;' if os.geteuid() == 0 else ''}
pid {self.path('pid')}; error_log {self.path('error.log')} crit;
events {{ worker_connections {2 * CONNECTIONS_MAX}; multi_accept on; }}
http {{
  {log}
  client_body_temp_path {self.path('body')}; proxy_temp_path {self.path('proxy')};
  fastcgi_temp_path {self.path('f')}; uwsgi_temp_path {self.path('u')}; scgi_temp_path {self.path('s')};
  server_names_hash_max_size 65536; server_names_hash_bucket_size 128;
  map_hash_max_size 262144; map_hash_bucket_size 128;
  keepalive_timeout {SECONDS_LONG}s; keepalive_requests 1000000000; tcp_nodelay on;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
  proxy_set_header X-Tenant-ID $tenant; proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_max_temp_file_size 0; proxy_buffer_size 16k; proxy_buffers 4 64k; proxy_busy_buffers_size 128k;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache off; ssl_session_tickets on; ssl_ecdh_curve X25519:prime256v1;
  limit_req_status 429; limit_conn_status 429;
  limit_req_zone $tenant zone=rate:32m rate={'1r/m' if deny else f'{HIGH_RATE}r/s'};
  limit_conn_zone $tenant zone=concurrency:32m;{noisy[1]}
  map $host $tenant {{
    default "";
{tenants}  }}
  upstream origin {{
    server 127.0.0.1:{self.origin};
    keepalive 1024; keepalive_requests 1000000000; keepalive_timeout {SECONDS_LONG}s;
  }}
  {chr(10).join(names)}
}}
""")

    def command(self):
        return ["nginx", "-e", self.path("error.log"), "-c", self.path("nginx.conf")]


class Haproxy(Proxy):
    def prepare(self):
        limit = 0 if self.task == "deny" else HIGH_RATE
        self.write("tenants", "".join(f"{host(i)} t{i}\n" for i in range(self.names)))
        bind = f"  bind 127.0.0.1:{self.port}\n"
        if self.is_tls:
            pem = l7_certificates.both(self.certificates)
            self.write("certificates", "".join(f"{pem}/t{i}.pem {host(i)}\n" for i in range(self.names)))
            bind += f"  bind 127.0.0.1:{self.tls_port} ssl crt-list {self.path('certificates')} alpn http/1.1\n"
        log = ("  log stdout format raw local0\n", "  option httplog\n  log global\n") if self.task == "log" else ("", "")
        self.write("haproxy.cfg", f"""
global
{log[0]}  nbthread 1
  maxconn {CONNECTIONS_MAX}
  tune.bufsize 65536
  ssl-default-bind-options ssl-min-ver TLSv1.2
  ssl-default-bind-curves X25519:P-256
defaults
  mode http
{log[1]}  timeout connect 2s
  timeout client {SECONDS_LONG}s
  timeout server {SECONDS_LONG}s
  timeout http-keep-alive {SECONDS_LONG}s
  http-reuse always
frontend in
{bind}  http-request set-var(txn.tenant) req.hdr(host),lower,map({self.path('tenants')})
  http-request deny deny_status 404 if !{{ var(txn.tenant) -m found }}
  stick-table type string len 32 size 20k expire 60s store http_req_rate(1s),conn_cur
  http-request track-sc0 var(txn.tenant)
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {limit} }}
  http-request deny deny_status 429 if {{ sc_conn_cur(0) gt 50000 }}
  http-request set-header X-Tenant-ID %[var(txn.tenant)]
  http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  option forwardfor
  default_backend out
backend out
  server origin 127.0.0.1:{self.origin} pool-purge-delay {SECONDS_LONG}s
""")

    def command(self):
        return ["haproxy", "-db", "-f", self.path("haproxy.cfg")]


class H2o(Proxy):
    has_limits = False

    def prepare(self):
        hosts = []
        for i in range(self.names):
            tls = f"""
    listen:
      host: 127.0.0.1
      port: {self.tls_port}
      ssl: {{certificate-file: {self.file_of(i, 'crt')}, key-file: {self.file_of(i, 'key')}, minimum-version: TLSv1.2}}
""" if self.is_tls else "\n"
            hosts.append(f"""
  "{host(i)}":{tls}
    paths: {{"/": {{proxy.reverse.url: "http://127.0.0.1:{self.origin}/", proxy.preserve-host: ON}}}}
""")
        log = f"access-log: {self.path('access.log')}\n" if self.task == "log" else ""
        user = "user: root\n" if os.geteuid() == 0 else ""
        self.write("h2o.conf", f"""
num-threads: 1
max-connections: {CONNECTIONS_MAX}
http1-request-timeout: {SECONDS_LONG}
proxy.timeout.keepalive: {SECONDS_LONG * 1000}
ssl-session-resumption: {{mode: ticket}}
listen: {{host: 127.0.0.1, port: {self.port}}}
{user}{log}hosts:{''.join(hosts)}
""")

    def command(self):
        return ["h2o", "-m", "worker", "-c", self.path("h2o.conf")]


class Ours(Proxy):
    """forwarderd, stand-alone: its fleet is a file. JSON text is YAML as well."""

    def prepare(self):
        state = self.path("state")
        os.makedirs(state, exist_ok=True)
        for file in os.listdir(state):
            if os.path.isfile(os.path.join(state, file)):
                os.unlink(os.path.join(state, file))
        self.write("fleet.yaml", json.dumps(self.fleet()))
        with open(self.path("tenants.yaml"), "w") as f:
            f.write("tenants:\n")
            f.writelines(f"  t{i}: {{zone: example.test, service: web, tier: {self.tier(i)}}}\n"
                         for i in range(self.names))
        forwarder = {"http": [f"127.0.0.1:{self.port}"], "workers": 1, "connections": CONNECTIONS_MAX, "per_client": 0,
                     "timeouts": {"idle": f"{SECONDS_LONG}s", "head": f"{SECONDS_LONG}s"}, "usage": {"dir": "usage"}}
        if self.is_tls:
            forwarder.update(https=[f"127.0.0.1:{self.tls_port}"], certificates=self.certificates)
        if self.task == "log":
            forwarder["access_log"] = {"path": self.path("access.log")}
        self.write("node.yaml", json.dumps({"node": {"name": "bench", "region": "eu", "state_dir": "state"},
                                            "fleet": ["fleet.yaml", "tenants.yaml"], "forwarder": forwarder}))

    def tier(self, number):
        return "deny" if self.task == "deny" else "noisy" if self.task == "noisy" and number == 0 else "base"

    def fleet(self):
        wide = {"rate": f"{HIGH_RATE}/s", "concurrency": 50000, "bandwidth": "4GiB/s", "body": "100MB", "websockets": 50000,
                "connections": f"{HIGH_RATE}/s", "client_rate": f"{HIGH_RATE}/s"}
        noisy = {**wide, "rate": f"{NOISY['rate']}/s", "concurrency": NOISY["concurrency"],
                 "connections": f"{NOISY['connections']}/s"}
        quiet = {**wide, "rate": f"{QUIET_RATE}/s"} if self.task == "noisy" else wide
        return {
            "regions": {"eu": {"at": [50.11, 8.68]}},
            "zones": {"example.test": {"text": ZONE}},
            "tiers": {"base": quiet, "noisy": noisy, "deny": {**wide, "rate": "1/h", "burst": 1}},
            "services": {"web": {
                "vips": {"eu": ["192.0.2.1"]},
                "origins": {"all": {"concurrency": 60000, "idle": f"{SECONDS_LONG}s",
                                    "eu": [f"127.0.0.1:{self.origin}"]}},
                "routes": [{"path": "/", "origins": "all"}]}},
        }

    def command(self):
        return [self.binary(), "-c", self.path("node.yaml")]

    def binary(self):
        """ours@DIR is the forwarderd of another build directory: two builds in one run."""
        return (self.kind.partition("@")[2] or self.config["build"]) + "/forwarder/forwarderd"
