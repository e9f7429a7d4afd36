"""One HTTP origin in a process of its own, so that a test can kill it. Obeys one word a line:

ok, 500, hang (accepts and never answers), close (the port refuses), open. Each is confirmed by a
line on standard output once it holds. Ends with its standard input.
"""

import http.server
import socket
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        mode = self.server.mode
        if mode == "hang":
            self.server.released.wait()
            return
        try:
            self.answer(mode)
        except ConnectionError:
            pass  # the probe had seen enough

    do_HEAD = do_GET

    def answer(self, mode):
        body = f"{self.server.label}\n".encode()
        self.send_response(500 if mode == "500" else 200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


class Origin:
    def __init__(self, address, port, label):
        self.where, self.label = (address, port), label
        self.released = threading.Event()
        self.server = None
        self.open("ok")

    def open(self, mode):
        Server.address_family = socket.AF_INET6 if ":" in self.where[0] else socket.AF_INET
        self.server = Server(self.where, Handler)
        self.server.mode, self.server.label, self.server.released = mode, self.label, self.released
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        # shutdown() makes the port refuse at once, while serve_forever still looks at the socket.
        self.server.socket.shutdown(socket.SHUT_RDWR)
        self.server.shutdown()
        self.server.server_close()
        self.server = None

    def obey(self, word):
        if word == "close":
            if self.server:
                self.close()
        elif self.server:
            self.server.mode = "ok" if word == "open" else word
        else:
            self.open("ok" if word == "open" else word)


def main():
    origin = Origin(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    print(origin.server.server_address[1], flush=True)
    for line in sys.stdin:
        origin.obey(line.strip())
        print("done", flush=True)


main()
