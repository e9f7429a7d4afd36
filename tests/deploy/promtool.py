"""Prometheus' own tool on the alerts and on the dashboard's expressions; skipped where it is not installed."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

import test_monitoring

PROMETHEUS = test_monitoring.ROOT / "packaging" / "prometheus"


def main():
    promtool = shutil.which("promtool")
    if not promtool:
        print("promtool is not installed")
        return 77
    subprocess.run([promtool, "check", "rules", "gslb.rules.yml"], cwd=PROMETHEUS, check=True)
    subprocess.run([promtool, "test", "rules", "gslb.test.yml"], cwd=PROMETHEUS, check=True)
    with tempfile.TemporaryDirectory(prefix="gslb-promtool-") as directory:
        panels = [{"record": f"panel:{i}", "expr": re.sub(r"\$__rate_interval", "1m", expression)}
                  for i, expression in enumerate(test_monitoring.dashboard_expressions())]
        path = pathlib.Path(directory) / "dashboard.yml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": panels}]}))
        subprocess.run([promtool, "check", "rules", str(path)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
