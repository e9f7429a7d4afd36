"""Tables of medians; ratios are taken within a round, against the floor measured in the same round."""
import statistics


def median(values):
    values = list(values)
    return statistics.median(values) if values else float("nan")


CLEAN_MIN = 3  # a median of fewer says little


def clean(rows, kind):
    """The samples of a kind that nothing disturbed; all of them where too few are clean."""
    mine = [r for r in rows if r["kind"] == kind]
    quiet = [r for r in mine if r["is_clean"]]
    return quiet if len(quiet) >= CLEAN_MIN else mine


def rates(rows):
    return {kind: median(r["qps"] for r in clean(rows, kind)) for kind in {r["kind"] for r in rows}}


def per_cpu(row):
    return row["qps"] / max(row["server_cpu"], 0.01)


def within_rounds(rows, kind, other, value=per_cpu):
    """The ratios of a kind's value to another's in the same round."""
    others = {r["round"]: value(r) for r in clean(rows, other)}
    return [value(r) / others[r["round"]] for r in clean(rows, kind) if r["round"] in others]


def udp_table(rows, late, counts, running, floor):
    """A dictionary for each server."""
    floor_rows = {r["round"]: r for r in clean(rows, floor)}
    floor_qps = median(r["qps"] for r in floor_rows.values())
    floor_cpu = median(per_cpu(r) for r in floor_rows.values())
    table = []
    for server in running:
        mine = clean(rows, server.kind)
        line = {"kind": server.kind, "samples": len(mine), "clean": sum(r["is_clean"] for r in mine),
                "qps": round(median(r["qps"] for r in mine)),
                "qps min": round(min(r["qps"] for r in mine)), "qps max": round(max(r["qps"] for r in mine))}
        if floor_rows:
            def of(row, value, without):
                same = floor_rows.get(row["round"])
                return value(row) / (value(same) if same else without)
            line["of floor"] = round(median(of(r, lambda x: x["qps"], floor_qps) for r in mine), 3)
            line["of floor per cpu-s"] = round(median(of(r, per_cpu, floor_cpu) for r in mine), 3)
        line["server cpu"] = round(median(r["server_cpu"] for r in mine), 2)
        line["qps/cpu-s"] = round(median(per_cpu(r) for r in mine))
        line["instr/query"] = round(counts[server.kind]) if server.kind in counts else ""
        line["lost"] = sum(r["lost"] for r in mine)
        line["wrong"] = sum(r["mismatch"] + r["badq"] for r in mine)
        line["bytes"] = round(median(r["avg_size"] for r in mine))
        line["MB"], line["start s"] = round(server.memory), round(server.startup, 2)
        if late:
            timed = clean(late, server.kind)
            line["p50/p99/p99.9 us"] = "/".join(
                f"{median(r[key] for r in timed):.0f}" for key in ("p50_us", "p99_us", "p999_us"))
        table.append(line)
    return table


def tcp_table(rows):
    table = []
    for kind, mode in sorted({(r["kind"], r["mode"]) for r in rows}):
        mine = [r for r in rows if r["kind"] == kind and r["mode"] == mode]
        table.append({"kind": kind, "mode": mode, "qps": round(median(r["qps"] for r in mine)),
                      "server cpu": round(median(r["server_cpu"] for r in mine), 2),
                      "qps/cpu-s": round(median(r["per_cpu_s"] for r in mine)),
                      "errors": sum(r["errors"] + r["bad"] for r in mine),
                      "p50 us": round(median(r["p50_us"] for r in mine)),
                      "p99 us": round(median(r["p99_us"] for r in mine))})
    return table


def print_table(table):
    if not table:
        return
    head = list(table[0])
    lines = [head, *([str(row[key]) for key in head] for row in table)]
    width = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for number, line in enumerate(lines):
        print("| " + " | ".join(cell.ljust(width[i]) if i == 0 else cell.rjust(width[i])
                                for i, cell in enumerate(line)) + " |", flush=True)
        if number == 0:
            print("| " + " | ".join("-" * w for w in width) + " |")
