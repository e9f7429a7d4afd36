"""HTTP origins on every address of 127.0.0.0/8 at one port, in one process: a crowd of probe targets.

Started with a port (0: the kernel's choice, printed) and the milliseconds that an answer takes. Obeys one
line at a time, each confirmed by one: `down ADDRESS…`, `up ADDRESS…`; `gaps` prints, as JSON and for all
addresses, how many connections came and the longest time between two of one address, and starts anew.
Ends with its standard input.
"""

import asyncio
import json
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
REFUSAL = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
down, seen = set(), {}  # seen: address -> [count, last, longest gap]


class Origin(asyncio.Protocol):
    delay_s = 0

    def connection_made(self, transport):
        self.transport = transport
        self.address = transport.get_extra_info("sockname")[0]
        now = time.monotonic()
        entry = seen.setdefault(self.address, [0, now, 0.0])
        entry[0] += 1
        entry[2] = max(entry[2], now - entry[1])
        entry[1] = now

    def data_received(self, data):
        if self.delay_s:
            asyncio.get_running_loop().call_later(self.delay_s, self.answer)
        else:
            self.answer()

    def answer(self):
        if not self.transport.is_closing():
            self.transport.write(REFUSAL if self.address in down else ANSWER)
            self.transport.close()


def obey(words):
    if words[0] == "gaps":
        report = {"targets": len(seen), "connections": sum(entry[0] for entry in seen.values()),
                  "fewest": min((entry[0] for entry in seen.values()), default=0),
                  "longest": max((entry[2] for entry in seen.values()), default=0)}
        now = time.monotonic()
        for entry in seen.values():
            entry[:] = [0, now, 0.0]
        return json.dumps(report)
    (down.update if words[0] == "down" else down.difference_update)(words[1:])
    return "done"


async def main():
    Origin.delay_s = int(sys.argv[2]) / 1000
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Origin, "0.0.0.0", int(sys.argv[1]), backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        print(obey(line.decode().split()), flush=True)


asyncio.run(main())
