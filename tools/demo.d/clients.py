"""Load of the demo: a quiet tenant and a noisy one, over HTTPS, in threads of this process."""

import http.client
import socket
import ssl
import threading
import time

from stage import ZONE


class Connection(http.client.HTTPSConnection):
    """To the VIP, whatever the name."""

    def __init__(self, stage_, vip, name):
        context = ssl.create_default_context(cafile=str(stage_.ca))
        super().__init__(f"{name}.{ZONE}", stage_.https_port, timeout=5, context=context)
        self.vip = vip

    def connect(self):
        plain = socket.create_connection((self.vip, self.port), self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


class Answers:
    """One reader for several answers: http.client closes what it reads from."""

    def __init__(self, reader):
        self.reader = reader

    def makefile(self, *_):
        return self

    def __getattr__(self, name):
        return getattr(self.reader, name)

    def close(self):
        pass


class Load:
    """quiet, noisy: requests a second that are offered. Each tenant asks when its time has come, whatever the answers."""

    NOISY_THREADS = 2
    BATCH = 10

    def __init__(self, stage_, vip, quiet, noisy=0):
        self.stage, self.vip = stage_, vip
        self.rates = {"quiet": quiet, "noisy": noisy}
        self.quiet_times, self.quiet_failed = [], 0
        self.noisy_offered = self.noisy_served = self.noisy_limited = 0
        self.lock = threading.Lock()
        self.seconds = 0
        self.refusal = None

    def ask(self, connection, times):
        """One request, timed from when it was due."""
        for due in times:
            time.sleep(max(0, due - time.monotonic()))
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            yield answer.status, time.monotonic() - due

    def run_quiet(self, start, seconds):
        connection = Connection(self.stage, self.vip, "quiet")
        every = 1 / self.rates["quiet"]
        times = (start + i * every for i in range(int(seconds / every)))
        for status, took in self.ask(connection, times):
            self.quiet_times.append(took * 1000)
            self.quiet_failed += status != 200
        connection.close()

    def run_noisy(self, start, seconds):
        """Ten requests at once, whatever becomes of those before."""
        connection = Connection(self.stage, self.vip, "noisy")
        connection.connect()
        request = f"GET / HTTP/1.1\r\nHost: noisy.{ZONE}\r\n\r\n".encode()
        every = self.BATCH * self.NOISY_THREADS / self.rates["noisy"]
        reader = connection.sock.makefile("rb")
        offered = served = limited = 0
        for i in range(int(seconds / every)):
            time.sleep(max(0, start + i * every - time.monotonic()))
            connection.sock.sendall(request * self.BATCH)
            for _ in range(self.BATCH):
                answer = http.client.HTTPResponse(Answers(reader))
                answer.begin()
                answer.read()
                offered += 1
                served += answer.status == 200
                limited += answer.status == 429
                if answer.status == 429:
                    self.refusal = (answer.status, answer.reason, answer.getheaders())
            if time.monotonic() > start + seconds:
                break
        connection.close()
        with self.lock:
            self.noisy_offered += offered
            self.noisy_served += served
            self.noisy_limited += limited

    def run(self, seconds):
        start = time.monotonic() + 0.1
        threads = [threading.Thread(target=self.run_quiet, args=(start, seconds))]
        if self.rates["noisy"]:
            threads += [threading.Thread(target=self.run_noisy, args=(start, seconds))
                        for _ in range(self.NOISY_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.seconds = time.monotonic() - start
        return self

    @property
    def quiet_done(self):
        return len(self.quiet_times)

    def quantile(self, share):
        return sorted(self.quiet_times)[min(len(self.quiet_times) - 1, int(share * len(self.quiet_times)))]
