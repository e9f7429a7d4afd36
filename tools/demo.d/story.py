"""The demo's story. Everything it prints is measured by dig and gslbctl against the gslbd that it
started; a claim that does not hold ends it with exit code 1."""

import math
import signal
import sys
import time

import clients
import stage
from stage import (PLACES, REGION_OF, VIPS, ZONE, Failed, Stage, bold, expect, faint, heading, paint, region_paint,
                   until)

# city, where it is, a public network there (universities), the region that a map tells
CITIES = [
    ("London", (51.51, -0.13), "144.82.1.0/24", "eu"),
    ("Frankfurt", (50.11, 8.68), "141.2.1.0/24", "eu"),
    ("New York", (40.71, -74.01), "128.59.1.0/24", "us"),
    ("São Paulo", (-23.55, -46.63), "143.107.1.0/24", "us"),
    ("Tokyo", (35.68, 139.69), "133.11.0.0/24", "ap"),
    ("Sydney", (-33.87, 151.21), "129.94.1.0/24", "ap"),
]
REGION_AT = {"eu": (50.11, 8.68), "us": (39.04, -77.49), "ap": (1.35, 103.82)}
INTERVAL_S, TIMEOUT_S, FALL, RISE = 1.0, 0.5, 2, 2
PROMISE_S = FALL * INTERVAL_S + TIMEOUT_S + 0.1
PROMISE_ORIGINS_S = 2 * 0.5 + 0.3 + 1.0
WIDTH = 18  # of a subnet's column


def km(a, b):
    lat1, lon1, lat2, lon2 = map(math.radians, (*a, *b))
    h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371 * math.asin(math.sqrt(h))


def pad(text, width):
    return text + " " * max(0, width - len(text))


def draw_map(answers):
    """Cities as numbers in the colour of the region that answers them, regions by name."""
    rows = [list(line.rstrip("\n").ljust(93)) for line in open(stage.HERE / "world.txt")]
    cells = [[paint("·", "38;5;240") if cell == "." and stage.IS_TTY else cell for cell in row] for row in rows]

    def cell_of(at):
        return (min(18, max(0, round((72 - at[0]) / (72 + 46) * 19 - 0.5))),
                round((at[1] + 168) / 348 * 92 - 0.5))
    taken = set()
    for region, at in REGION_AT.items():
        row, column = cell_of(at)
        row += 1  # below its city
        cells[row][column:column + 4] = [region_paint(region, f"[{region}]"), "", "", ""]
        taken |= {(row, column + i) for i in range(4)}
    for number, (_, at, _, _) in enumerate(CITIES, 1):
        row, column = cell_of(at)
        while (row, column) in taken:
            column += 1
        taken.add((row, column))
        cells[row][column] = region_paint(answers[number - 1], str(number))
    for row in cells:
        print(("  " + "".join(row).rstrip()).replace("\033[0m\033[38;5;240m", ""))


def ask_cities(stage_, name, show_map=False):
    """Where every city goes now: regions, one a city."""
    answers = [stage_.dig(name, subnet) for _, _, subnet, _ in CITIES]
    regions = [REGION_OF.get(address, "none") for address, _, _ in answers]
    if show_map:
        draw_map(regions)
        print()
    print(faint(f"     {pad('client in', 12)}{pad('network', WIDTH)}{pad('answer', 14)}{pad('region', 18)}"
                f"{'distance':>9}  {'TTL':>4}  scope"))
    for number, (city, subnet, region, (address, ttl, scope)) in enumerate(
            zip([c[0] for c in CITIES], [c[2] for c in CITIES], regions, answers), 1):
        where = f"{region}  {PLACES.get(region, '')}"
        distance = f"{km(CITIES[number - 1][1], REGION_AT[region]):.0f} km" if address else "-"
        print(f"  {region_paint(region, str(number))}  {pad(city, 12)}{pad(subnet, WIDTH)}{pad(address or '-', 14)}"
              f"{region_paint(region, pad(where, 18))}{distance:>9}  {str(ttl):>3}s  /{scope}")
    print()
    return regions


def begin(stage_):
    print(bold("gslb") + " — one application in three regions; DNS answers every tenant name with the nearest")
    print("healthy one. Everything below runs on this machine's loopback and is measured while you read.")
    heading("0", "What runs")
    for region in VIPS:
        stage_.start_origin(region)
        print(f"  {region_paint(region)}  {pad(PLACES[region], 10)} a web server on {VIPS[region]}:{stage_.origin_port}")
    took, status = stage_.start_gslbd()
    stage_.start_forwarders()
    prefixes = sum(file["prefixes"] for file in status["geo"])
    print(f"  gslbd on 127.0.0.1 port {stage_.port}, ready after {took:.1f} s with a city database of {prefixes:,} prefixes")
    print(f"  the check: GET /healthz every {INTERVAL_S:.0f} s, {TIMEOUT_S * 1000:.0f} ms to answer, {FALL} failures are down")
    print(f"  forwarderd in each region: HTTPS on {', '.join(VIPS.values())} port {stage_.https_port}, two origins behind each")
    print()
    for city, at, subnet, _ in CITIES:
        told = stage_.json("explain", f"acme.{ZONE}", "--client", subnet)["client"]["at"]
        if not told or km(at, told) > 80:
            raise Failed(f"the database does not place {subnet} in {city}: {told}")
    expect(True, "the city database places the six client networks in their cities (within 80 km)")


def nearest(stage_):
    heading("1", f"Six cities ask for acme.{ZONE}")
    regions = ask_cities(stage_, "acme", show_map=True)
    expect(regions == [city[3] for city in CITIES], "every city is answered by its nearest region")
    heading("2", f"vault.{ZONE} is a resident tenant: its data must stay in the EU")
    regions = ask_cities(stage_, "vault")
    expect(set(regions) == {"eu"}, "every city is sent to eu, however far it is")


def failure(stage_):
    heading("3", "The web server of eu is killed")
    eu, subnets = CITIES[0][2], [city[2] for city in CITIES]
    stage_.kill_origin("eu")
    died = last = time.monotonic()
    print(f"  {faint('$')} {bold('kill -9')} {faint('(the process behind ' + VIPS['eu'] + ')')}")
    asked, moved_at = 0, None
    while time.monotonic() < died + PROMISE_S + 0.3:
        now = time.monotonic()
        asked += 1
        for (city, _, _, region), address in zip(CITIES, stage_.dig_many("acme", subnets)):
            if region == "eu" and address == VIPS["eu"]:
                last = now
            elif region == "eu":
                moved_at = moved_at or now
            elif address != VIPS[region]:
                raise Failed(f"{city} moved although its region is healthy")
    if moved_at is None:
        raise Failed("the clients of eu did not move")
    print(f"  {asked} times all six cities asked: the first answer without the dead address came {moved_at - died:.2f} s after")
    print(f"  promised: {FALL} × {INTERVAL_S:.0f} s + {TIMEOUT_S * 1000:.0f} ms + 100 ms = {PROMISE_S:.1f} s")
    print()
    expect(last - died <= PROMISE_S, f"no answer held the dead address later than {PROMISE_S:.1f} s "
                                     f"(last one after {last - died:.2f} s)")
    expect(True, "no client of us or ap saw a change of its answer")
    print()
    regions = ask_cities(stage_, "acme")
    expect(regions == ["us" if city[3] == "eu" else city[3] for city in CITIES], "London and Frankfurt are served by us")
    expect(stage_.dig("vault", eu)[0] == VIPS["eu"], "vault still never leaves eu: a mistake in a check must not move its data")
    print()
    stage_.start_origin("eu")
    back = time.monotonic()
    print(f"  the web server of eu runs again …")
    until(lambda: stage_.dig("acme", eu)[0] == VIPS["eu"], 10, "London's return")
    expect(True, f"London is back at eu {time.monotonic() - back:.2f} s later ({RISE} successes are up)")


def bar(part, whole, region, other):
    width = 50
    filled = round(width * part / whole)
    block = "█" if stage.IS_TTY else "#"
    return region_paint(region, block * filled) + region_paint(other, (block if stage.IS_TTY else "-") * (width - filled))


def drain(stage_):
    heading("4", "An operator drains eu: half of it, all of it, and back")
    networks = [f"141.2.{i}.0/24" for i in range(100)] + [f"144.82.{i}.0/24" for i in range(100)]
    before = [REGION_OF[address] for address in stage_.dig_many("acme", networks)]
    ours = [network for network, region in zip(networks, before) if region == "eu"]
    if len(ours) < 100:
        raise Failed(f"only {len(ours)} of 200 networks near Frankfurt and London are answered by eu")
    print(f"  {len(ours)} networks in and around Frankfurt and London, all answered by eu:")

    def share():
        answers = [REGION_OF[address] for address in stage_.dig_many("acme", ours)]
        stays = {network for network, region in zip(ours, answers) if region == "eu"}
        print(f"    {bar(len(stays), len(ours), 'eu', 'us')}  {region_paint('eu')} {len(stays):>3}   "
              f"{region_paint('us')} {answers.count('us'):>3}")
        return stays
    whole = share()
    stage_.ctl("region", "drain", "eu", "--share", "50", "--for", "30m", "--reason", "new kernel")
    half = share()
    stage_.ctl("region", "drain", "eu", "--reason", "new kernel")
    none = share()
    stage_.ctl("region", "restore", "eu", "--reason", "done")
    again = share()
    print()
    expect(abs(len(half) - len(ours) / 2) < 4 * math.sqrt(len(ours)) / 2 + 1, f"at 50 % about half stay ({len(half)} of {len(ours)})")
    expect(none == set(), "drained wholly, none is left")
    expect(again == whole, "restored, the same networks are back")


def whole_path(stage_):
    heading("5", f"From the name to an origin: https://quiet.{ZONE}")
    for city in (CITIES[0], CITIES[2], CITIES[5]):
        vip = stage_.dig("quiet", city[2])[0]
        said = stage_.curl("quiet", vip).strip()
        print(f"  {pad(city[0], 10)} DNS answers {pad(vip, 12)} HTTPS to that region's forwarder: {bold(said)}")
        expect(said.startswith(f"hello from {city[3]}-"), f"{city[0]} is served by an origin of {city[3]}")
    began = time.monotonic()
    stage_.ctl("tenant", "add", "new", "--zone", ZONE, "--service", "desk")
    while "hello" not in stage_.curl("new", VIPS["eu"]):
        if time.monotonic() - began > 5:
            raise Failed("the new tenant is not served")
    expect(True, f"a tenant that is added now is served by the forwarders {time.monotonic() - began:.2f} s later, "
                 "gslbctl and curl included")


def noisy(stage_):
    heading("6", "A noisy neighbour: each tenant may make 50 requests a second")
    vip = VIPS["eu"]
    alone = clients.Load(stage_, vip, quiet=20).run(2.5)
    print(f"  quiet alone:  {alone.quiet_done:>5} requests, p50 {alone.quantile(0.5):5.1f} ms, p99 {alone.quantile(0.99):5.1f} ms")
    time.sleep(1.2)  # what the tenants had used is earned again
    both = clients.Load(stage_, vip, quiet=20, noisy=500).run(2.5)
    print(f"  with noise:   {both.quiet_done:>5} requests, p50 {both.quantile(0.5):5.1f} ms, p99 {both.quantile(0.99):5.1f} ms")
    print(f"  noisy itself: {both.noisy_offered:>5} requests offered, {both.noisy_served} served, {both.noisy_limited} answered 429")
    allowed = 50 + 50 * both.seconds
    expect(both.quiet_failed == 0, "no request of quiet failed")
    expect(allowed * 0.9 <= both.noisy_served <= allowed * 1.05,
           f"noisy was served its limit: a burst of 50 and 50/s for {both.seconds:.1f} s ({allowed:.0f})")
    expect(both.quantile(0.5) <= 2 * alone.quantile(0.5) + 2, "quiet's latency stays")
    print()
    status, phrase, fields = both.refusal
    print(f"  what the others were told: {status} {phrase}")
    for name, value in fields:
        if name.lower() in ("retry-after", "ratelimit", "ratelimit-policy", "proxy-status"):
            print(f"    {name}: {value}")


def origins_fail(stage_):
    heading("7", "The origins of eu fail; its forwarder is fine, and tells DNS")
    subnet = CITIES[0][2]
    expect(stage_.dig("quiet", subnet)[0] == VIPS["eu"], "London is served by eu")
    for origin in stage_.backends["eu"]:
        origin.kill()
        origin.wait()
    died = time.monotonic()
    print(f"  {faint('$')} {bold('kill -9')} {faint('(both origins of eu)')}")
    until(lambda: stage_.dig("quiet", subnet)[0] != VIPS["eu"], 10, "London's move")
    moved = time.monotonic() - died
    vip, ttl, _ = stage_.dig("quiet", subnet)
    said = stage_.curl("quiet", vip).strip()
    print(f"  DNS answers {vip} {moved:.2f} s later (TTL {ttl} s): {bold(said)}")
    expect(vip == VIPS["us"], "London is served by us")
    expect(moved <= PROMISE_ORIGINS_S, f"within {PROMISE_ORIGINS_S:.1f} s: two checks of 500 ms, 300 ms for the last, and 1 s to tell it")
    print()
    stage_.ctl("explain", f"quiet.{ZONE}", "--client", subnet)
    for number, origin in enumerate(list(stage_.backends["eu"])):
        stage_.backends["eu"][number] = stage_.start_backend(VIPS["eu"], origin.name, origin.port)
    back = time.monotonic()
    until(lambda: stage_.dig("quiet", subnet)[0] == VIPS["eu"], 10, "London's return")
    expect(True, f"the origins run again: London is back at eu {time.monotonic() - back:.2f} s later")


def look(stage_):
    heading("8", "Why does London get this answer?")
    out = stage_.ctl("explain", f"acme.{ZONE}", "--client", CITIES[0][2])
    print()
    expect(f" {VIPS['eu']}" in out and stage_.dig("acme", CITIES[0][2])[0] == VIPS["eu"], "explain and dig agree")
    print()
    stage_.ctl("explain", f"acme.{ZONE}", "--client", CITIES[0][2], "--what-if", "eu=down,us=down")
    heading("9", "Who did what?")
    stage_.ctl("audit")


def by_hand(stage_, keeps):
    heading("10", "Play by hand")
    if not keeps:
        print(f"  {bold('tools/demo --keep')} leaves all of this running and tells what to type.")
        return
    env = stage.BUILD / "demo.env"
    env.write_text(f"export GSLB_SOCKET={stage_.socket}\nexport PORT={stage_.port}\nexport PATH={stage.BUILD}/tools:$PATH\n"
                   f"export HTTPS={stage_.https_port}\nexport CA={stage_.ca}\n")
    print(f"  It goes on running; files and log are in {stage_.directory}. In another terminal:\n")
    for line in (f". {env}",
                 f"dig @127.0.0.1 -p $PORT acme.{ZONE} +subnet={CITIES[4][2]}      # as Tokyo",
                 "gslbctl --help", "gslbctl vips",
                 "gslbctl region drain ap --share 50 --for 10m --reason 'my first drain'",
                 f"gslbctl explain acme.{ZONE} --client {CITIES[4][2]} --what-if ap=down",
                 f"gslbctl tenant add mine --zone {ZONE} --service shop",
                 f"curl --cacert $CA --resolve quiet.{ZONE}:$HTTPS:{VIPS['eu']} -i https://quiet.{ZONE}:$HTTPS/",
                 f"gslbctl --socket {stage_.directory}/forwarder-eu/state/gslb.sock origins",
                 f"kill -9 {stage_.origins['ap'].pid}      # the web server of ap"):
        print(f"    {bold(line)}")
    print(f"\n  {bold('Ctrl-C')} here ends it.", flush=True)
    try:
        stage_.gslbd.wait()
        raise Failed("gslbd ended")
    except KeyboardInterrupt:
        print()
    finally:
        env.unlink(missing_ok=True)


def end_as_by_hand(*_):
    raise KeyboardInterrupt


def main():
    keeps = "--keep" in sys.argv
    for end in (signal.SIGHUP, signal.SIGTERM):  # a closed window, too, must not leave gslbd and web servers behind
        signal.signal(end, end_as_by_hand)
    sys.stdout.reconfigure(line_buffering=True, encoding="utf-8")
    stage_ = Stage()
    began = time.monotonic()
    try:
        begin(stage_)
        nearest(stage_)
        failure(stage_)
        drain(stage_)
        whole_path(stage_)
        noisy(stage_)
        origins_fail(stage_)
        look(stage_)
        print(f"\n{paint('All of it held', '1;38;5;77')}, in {time.monotonic() - began:.0f} s.")
        by_hand(stage_, keeps)
        return 0
    except Failed as why:
        print(f"\n{paint('The demo failed', '1;38;5;203')}: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        stage_.close()


sys.exit(main())
