"""A region's web server: python3 origin.py ADDRESS PORT NAME. Port 0: the kernel chooses; the port is
printed once it listens."""

import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one segment
    def do_GET(self):
        body = f"hello from {sys.argv[3]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


with http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
